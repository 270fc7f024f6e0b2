"""A host in front of a server, which a test can take away: closed, frozen, or a proxy without a server behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Relay:
    """Forwards bytes between its own port and a server's, on loopback.

    `instead`: answers every request itself. `cut_at`: ends a connection before these bytes of a client pass.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passages: set[asyncio.Task[None]] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.instead: bytes | None = None
        self.cut_at: bytes | None = None
        self.seen: list[bytes] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        """Listens, until the end."""
        await self.open()
        try:
            yield self
        finally:
            await self.close()
            self.thaw()
            if self._passages:
                await asyncio.wait(self._passages)

    async def open(self) -> None:
        """Accept connections, on the same port as before."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End all connections and refuse new ones, as a killed server does."""
        if self._listening is not None:
            self._listening.close()
        for writer in self._writers:
            writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)  # for the ends to be delivered

    def freeze(self) -> None:
        """Accept connections and bytes, and answer nothing."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on where it was frozen."""
        self._thawed.set()

    def statements(self, piece: bytes) -> int:
        """How many pieces with these bytes clients have sent."""
        return sum(piece in seen for seen in self.seen)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = asyncio.create_task(self._pass(reader, writer))  # the stream's own task must not be cancelled
        self._passages.add(passage)
        passage.add_done_callback(self._passages.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        both = {writer, up_writer}
        self._writers |= both
        answers = asyncio.create_task(self._forward(up_reader, writer))
        try:
            await self._questions(reader, writer, up_writer)
        except OSError:
            return
        finally:
            answers.cancel()
            for each in both:
                each.transport.abort()
            self._writers -= both
            await asyncio.wait({answers})

    async def _questions(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(65536):
            await self._thawed.wait()
            self.seen.append(piece)
            if self.cut_at is not None and self.cut_at in piece:
                return
            if self.instead is None:
                writer.write(piece)
                await writer.drain()
            elif b" HTTP/1.1\r\n" in piece:
                back.write(self.instead)
                await back.drain()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            await self._thawed.wait()
            writer.write(piece)
            await writer.drain()
