"""A proxy between one client and the broker that reads Kafka's frames, and holds some in traps.

A frame is four bytes of length; a request then has its api key and version, two bytes each, and four of correlation id,
with which its answer begins (https://kafka.apache.org/protocol.html). Answers come in the order of the requests.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from tests.faults.proxies.trap import Fate, Stage, Traps
from tests.infrastructure.kafka import Listener


class Api(IntEnum):
    """The API keys that tests use."""

    PRODUCE = 0
    FETCH = 1
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14


WELL = {0: bytes(2), 1: bytes(6)}  # answers to a heartbeat, by version: an error code of 0, after the throttle time


class KafkaProxy(Traps):
    """Forwards frames one by one. A frame in a trap holds up those behind it on its connection.

    `lulling`: the proxy answers heartbeats itself, so a member does not learn that its group has expelled it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lulling = False

    @asynccontextmanager
    async def to(self, listener: Listener) -> AsyncIterator[str]:
        """Forward to this listener of a broker. Yields the address for clients."""
        connections: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            connections.add(task)
            task.add_done_callback(connections.discard)
            await self._serve(listener.port, reader, writer)

        async with await asyncio.start_server(serve, "127.0.0.1", listener.advertised):
            yield f"127.0.0.1:{listener.advertised}"
            for task in list(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kinds: dict[int, int] = {}  # API key by correlation id, of the requests without an answer
        up_writer = None
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
            directions = {
                asyncio.ensure_future(self._requests(reader, up_writer, writer, kinds)),
                asyncio.ensure_future(self._answers(up_reader, writer, kinds)),
            }
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        except OSError:
            pass  # the broker is down: the client sees its connection end
        finally:
            writer.transport.abort()
            if up_writer is not None:
                up_writer.close()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        kinds: dict[int, int],
    ) -> None:
        async for frame in _frames(reader):
            kind, version, correlation = struct.unpack_from(">hhi", frame)
            if self.lulling and kind == Api.HEARTBEAT and version in WELL and not kinds:
                await _send(back, struct.pack(">i", correlation) + WELL[version])
                continue
            if await self.fate(kind, Stage.ARRIVED) is not Fate.PASS:
                return
            kinds[correlation] = kind
            await _send(writer, frame)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kinds: dict[int, int]) -> None:
        async for frame in _frames(reader):
            (correlation,) = struct.unpack_from(">i", frame)
            if await self.fate(kinds.pop(correlation, None), Stage.ANSWERED) is not Fate.PASS:
                return
            await _send(writer, frame)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            yield await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()
