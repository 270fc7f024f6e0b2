"""How long a client may take, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.connection import Connection
from siddes_telemetry.web.connection_limits import ClientTimeouts
from siddes_telemetry.web.server import HttpServer
from tests.fakes.virtual_time import in_virtual_time
from tests.fakes.web_service import Service, post
from tests.unit.web.wire import Wire


async def connect() -> tuple[Connection, Wire]:
    wire = Wire()
    connection = HttpServer(Service().app, timeouts=ClientTimeouts(arrival_s=10, idle_s=75, closing_s=2)).connection()
    connection.connection_made(wire)
    await asyncio.sleep(0)
    return connection, wire


@pytest.mark.parametrize(("part", "trickle"), [(b"P", b""), (post()[:45], b"1"), (post(body=bytes(99))[:-50], b"1")])
def test_a_request_has_ten_seconds_from_its_first_byte(part: bytes, trickle: bytes) -> None:
    @in_virtual_time
    async def run() -> None:
        connection, wire = await connect()
        await asyncio.sleep(9)  # silence before the first byte does not count
        connection.data_received(part)
        for _ in range(9):
            await asyncio.sleep(1)
            connection.data_received(trickle)
        await asyncio.sleep(0.9)
        assert wire.sent == b""
        await asyncio.sleep(0.2)
        assert wire.sent.startswith(b"HTTP/1.1 408 ")
        await asyncio.sleep(3)
        assert wire.closed_at_s is not None

    run()


@in_virtual_time
async def test_a_client_has_ten_seconds_to_its_first_byte() -> None:
    _, wire = await connect()
    connected_s = asyncio.get_running_loop().time()
    await asyncio.sleep(60)
    assert wire.closed_at_s == pytest.approx(connected_s + 10)
    assert wire.sent == b""


@in_virtual_time
async def test_each_request_has_its_own_ten_seconds() -> None:
    connection, wire = await connect()
    request = post(body=b"12")
    connection.data_received(request[:-1])
    for answered in range(5):
        await asyncio.sleep(9)
        connection.data_received(request[-1:] + request[:-1])  # the end of one and the beginning of the next
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.sent.count(b"HTTP/1.1 200 ") == answered + 1
    assert b" 408 " not in wire.sent
    await asyncio.sleep(11)
    assert wire.sent.count(b"HTTP/1.1 408 ") == 1


@in_virtual_time
async def test_a_request_behind_others_in_one_packet_has_its_own_time_too() -> None:
    connection, wire = await connect()
    request = post(body=b"12")
    connection.data_received(request[:10])
    await asyncio.sleep(9)
    connection.data_received(request[10:] + request[:-1])
    await asyncio.sleep(9)
    connection.data_received(request[-1:])
    await asyncio.sleep(1)
    assert wire.sent.count(b"HTTP/1.1 200 ") == 2


@in_virtual_time
async def test_between_requests_nothing_is_timed_but_idleness() -> None:
    connection, wire = await connect()
    for _ in range(3):
        connection.data_received(post()[:50])
        await asyncio.sleep(1)
        connection.data_received(post()[50:])
        await asyncio.sleep(70)
    assert wire.sent.count(b"HTTP/1.1 200 ") == 3
    assert wire.sent.count(b"HTTP/1.1 ") == 3
    assert not wire.is_closing()
    last = asyncio.get_running_loop().time() - 70
    await asyncio.sleep(100)
    assert wire.closed_at_s == pytest.approx(last + 75)


@in_virtual_time
async def test_a_long_body_that_arrived_while_nobody_read_is_not_timed_on() -> None:
    connection, wire = await connect()
    connection.data_received(post(Authorization="", body=bytes(250_000)))  # reading pauses, and goes on to drop it
    await asyncio.sleep(60)
    connection.data_received(post())
    await asyncio.sleep(0.1)
    assert wire.sent.startswith(b"HTTP/1.1 401 ")
    assert wire.sent.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200 " in wire.sent
