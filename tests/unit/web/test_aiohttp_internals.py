"""The slots of BaseProtocol under their public names: what a new version of aiohttp may change."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from siddes_telemetry.web.aiohttp_internals import AiohttpProtocol
from tests.unit.web.wire import Wire

PARTS = ("web", "ingest_gateway", "summary_api", "cli")
UNDOCUMENTED = re.compile(r"^\s*(?:from|import) aiohttp\.", re.MULTILINE)


@pytest.fixture
async def protocol() -> AiohttpProtocol:
    protocol = AiohttpProtocol(asyncio.get_running_loop(), buffer_bytes=1024, max_header_bytes=8190, max_queued=3)
    protocol.connection_made(Wire())
    return protocol


async def test_it_parses_until_its_parser_is_dropped(protocol: AiohttpProtocol) -> None:
    parser = protocol.parser
    assert parser is not None
    requests, _, _ = parser.feed_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [message.path for message, _ in requests] == ["/"]
    protocol.drop_parser()
    assert protocol._parser is None


async def test_a_full_body_pauses_reading_and_a_read_resumes_it(protocol: AiohttpProtocol) -> None:
    assert protocol.parser is not None
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"
    ((_, payload),), _, _ = protocol.parser.feed_data(head + bytes(4000))
    paused = protocol.reading_paused
    protocol.drop_parser()
    payload.read_nowait()
    assert (paused, protocol.reading_paused) == (True, False)


async def test_reading_is_held_until_it_is_released(protocol: AiohttpProtocol) -> None:
    protocol.hold_reading()
    held = protocol.reading_held
    protocol.release_reading()
    assert (held, protocol.reading_held) == (True, False)


async def test_flushed_waits_while_writing_is_blocked(protocol: AiohttpProtocol) -> None:
    await protocol.flushed()
    protocol.pause_writing()
    blocked = protocol.writing_blocked
    flushed = asyncio.ensure_future(protocol.flushed())
    await asyncio.sleep(0)
    assert not flushed.done()
    protocol.resume_writing()
    await flushed
    assert (blocked, protocol.writing_blocked) == (True, False)


async def test_flushed_raises_where_the_connection_is_lost(protocol: AiohttpProtocol) -> None:
    protocol.connection_lost(None)
    with pytest.raises(ConnectionError):
        await protocol.flushed()


def test_no_other_module_uses_undocumented_parts_of_aiohttp() -> None:
    modules = [path for part in PARTS for path in (Path(__file__).parents[3] / part).rglob("*.py")]
    assert {path.name for path in modules if UNDOCUMENTED.search(path.read_text("utf-8"))} == {"aiohttp_internals.py"}
