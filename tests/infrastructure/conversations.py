"""A TCP server of one test: when it ends, its connections have ended too, even those that came in the last moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ACCEPTED_IN = 5  # rounds of the loop, from the acceptance of a connection to the begin of its conversation


async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """As a frozen server: it takes the connection and leaves it open."""
    await asyncio.Event().wait()


@asynccontextmanager
async def conversations(converse: Converse, *, port: int = 0) -> AsyncIterator[str]:
    """Yields the address, host:port. `converse` speaks on a connection, which ends when it returns. Port 0: any."""
    running: set[asyncio.Task[None]] = set()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(EOFError, ConnectionError):
                await converse(reader, writer)
        finally:
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(hold(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", port)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for _ in range(ACCEPTED_IN):
            await asyncio.sleep(0)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(set(running))
        await asyncio.sleep(0)  # for the transports
