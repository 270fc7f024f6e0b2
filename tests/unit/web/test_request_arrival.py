"""The states of a request that arrives, as its module's table gives them."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import AiohttpProtocol
from siddes_telemetry.web.connection_limits import MAX_OVERHEAD_BYTES, PIECE_BYTES
from siddes_telemetry.web.request_arrival import Receiving, RequestArrival
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.web.wire import Wire

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Received(AiohttpProtocol):
    """Feeds an arrival, and keeps what it reports."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), buffer_bytes=1 << 20, max_header_bytes=64 * 1024, max_queued=100)
        self.connection_made(Wire())
        self.arrival = RequestArrival(self, timeout_s=10)
        self.broken_off: list[ErrorCode] = []

    def report_memory(self) -> None: ...

    def break_off(self, code: ErrorCode) -> None:
        self.broken_off.append(code)
        self.arrival.stop()

    def data_received(self, data: bytes) -> None:
        assert self.parser is not None
        requests, _, _ = self.parser.feed_data(data)
        self.arrival.received(requests, len(data))

    def receive(self, *pieces: bytes) -> Receiving:
        for piece in pieces:
            self.data_received(piece)
        return self.arrival.state


async def test_a_whole_request_starts_no_timer() -> None:
    received = Received()
    assert received.arrival.state is Receiving.SILENT
    assert received.receive(HEAD + b"body") is Receiving.BETWEEN
    assert received.arrival.due_at == 0.0
    assert received.arrival.partial_bytes == 0


@in_virtual_time
async def test_a_request_in_pieces_has_one_timer() -> None:
    received = Received()
    assert received.receive(HEAD[:20]) is Receiving.PARTIAL
    due_at = received.arrival.due_at
    await asyncio.sleep(3)
    assert received.receive(HEAD[20:], b"bo") is Receiving.PARTIAL
    assert received.arrival.due_at == due_at
    assert received.arrival.partial_bytes == len(HEAD) + 2
    assert received.receive(b"dy") is Receiving.BETWEEN
    assert (received.arrival.due_at, received.arrival.partial_bytes) == (0.0, 0)


@in_virtual_time
async def test_the_next_request_has_a_timer_of_its_own() -> None:
    received = Received()
    received.receive(HEAD, b"bo")
    await asyncio.sleep(3)
    assert received.receive(b"dy" + HEAD) is Receiving.PARTIAL
    assert received.arrival.due_at == pytest.approx(asyncio.get_running_loop().time() + 10)


@in_virtual_time
async def test_a_late_request_times_out_unless_reading_is_held() -> None:
    received = Received()
    received.receive(HEAD)
    received.hold_reading()
    await asyncio.sleep(11)
    assert (received.arrival.state, received.broken_off) == (Receiving.PARTIAL, [])
    received.release_reading()
    await asyncio.sleep(10)
    assert (received.arrival.state, received.broken_off) == (Receiving.STOPPED, [ErrorCode.request_timeout])


async def test_framing_beyond_the_limit_breaks_off() -> None:
    received = Received()
    received.receive(CHUNKED)
    sent = len(CHUNKED)
    while not received.broken_off:
        received.receive(b"1\r\nx\r\n")
        sent += 6
    assert received.broken_off == [ErrorCode.bad_request]
    assert sent > MAX_OVERHEAD_BYTES


async def test_a_body_of_any_size_is_no_overhead() -> None:
    received = Received()
    received.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n", *[bytes(10_000)] * 39)
    assert (received.arrival.state, received.broken_off) == (Receiving.PARTIAL, [])


async def test_a_head_larger_than_a_piece_is_noticed() -> None:
    received = Received()
    received.receive(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", bytes([97]) * PIECE_BYTES)
    assert received.receive(b"\r\n\r\n") is Receiving.BETWEEN
    assert received.arrival.large_head


async def test_a_body_that_breaks_off_raises_where_it_is_read() -> None:
    received = Received()
    assert not received.arrival.fail_body(ApiError(ErrorCode.bad_request))
    received.receive(HEAD)
    body = received.arrival.open_body
    assert body is not None
    assert received.arrival.fail_body(ApiError(ErrorCode.request_timeout))
    with pytest.raises(ApiError) as error:
        await body.readany()
    assert error.value.code is ErrorCode.request_timeout
