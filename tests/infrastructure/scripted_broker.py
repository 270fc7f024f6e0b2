"""A server that speaks Kafka as far as a script goes: for what no real broker says."""

from __future__ import annotations

import asyncio
import struct
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO

from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.api import Response
from aiokafka.protocol.types import Int16, Int32

from tests.infrastructure.conversations import conversations

VERSIONS = 18  # the key of ApiVersions

Script = Mapping[tuple[int, int], Response | None]
"""The answer to each kind of request, by key and version; None: silence. These versions are offered, and no others."""


@asynccontextmanager
async def scripted_broker(script: Script, *, port: int = 0) -> AsyncIterator[str]:
    """Yields its address. It closes a connection at a request that is not in the script. Port 0: any."""
    offered = [(key, version, version) for key, version in script]
    versions = {(VERSIONS, 0): ApiVersionResponse_v0(0, [(VERSIONS, 0, 0), *offered])}
    answers = ChainMap(versions, script)  # type: ignore[arg-type]  # it is only read: a Mapping does

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(LookupError):
            while True:
                request = BytesIO(await reader.readexactly(*struct.unpack(">i", await reader.readexactly(4))))
                key, version, correlation = Int16.decode(request), Int16.decode(request), Int32.decode(request)
                if (scripted := answers[key, version]) is not None:
                    answer = Int32.encode(correlation) + scripted.encode()
                    writer.write(Int32.encode(len(answer)) + answer)

    async with conversations(converse, port=port) as address:
        yield address
