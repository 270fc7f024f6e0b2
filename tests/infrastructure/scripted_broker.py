"""A server that speaks Kafka as far as a script goes: for what no real broker says."""

from __future__ import annotations

import asyncio
import struct
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO

from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.api import Response
from aiokafka.protocol.types import Int16, Int32

VERSIONS = 18  # the key of ApiVersions

Script = Mapping[tuple[int, int], Response | None]
"""The answer to each kind of request, by key and version; None: silence. These versions are offered, and no others."""


@asynccontextmanager
async def scripted_broker(script: Script, *, port: int = 0) -> AsyncIterator[str]:
    """Yields its address. It closes a connection at a request that is not in the script. Port 0: any."""
    offered = [(key, version, version) for key, version in script]
    versions = {(VERSIONS, 0): ApiVersionResponse_v0(0, [(VERSIONS, 0, 0), *offered])}
    answers = ChainMap(versions, script)  # type: ignore[arg-type]  # it is only read: a Mapping does
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = BytesIO(await reader.readexactly(*struct.unpack(">i", await reader.readexactly(4))))
                key, version, correlation = Int16.decode(request), Int16.decode(request), Int32.decode(request)
                if (scripted := answers[key, version]) is not None:
                    answer = Int32.encode(correlation) + scripted.encode()
                    writer.write(Int32.encode(len(answer)) + answer)
        except (EOFError, LookupError, ConnectionError):
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(converse(reader, writer))
        conversations.add(task)
        task.add_done_callback(conversations.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", port)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in conversations:
            task.cancel()
