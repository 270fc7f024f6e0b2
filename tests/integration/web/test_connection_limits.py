"""What clients may make the server keep: connections, bytes that arrive and bytes that wait to be taken."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack

import pytest
from aiohttp.streams import StreamReader

from siddes_telemetry.web.auth.request_headers import MAX_COOKIE_CHARS
from siddes_telemetry.web.connection_limits import MAX_OVERHEAD_BYTES, MAX_QUEUED, READ_BUFFER_BYTES, ClientTimeouts
from tests.fakes.web_service import MAX_BODY_BYTES, RawClient, Service, connected, get, post, running

CHUNKED_HEAD = post(Content_Length="", Transfer_Encoding="chunked", body=b"")
GONE = (ConnectionError, asyncio.IncompleteReadError)


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return CHUNKED_HEAD + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def counted(service: Service, what: str) -> float | None:
    return service.registry.get_sample_value(f"siddes_http_connections{what}")


async def asked(client: RawClient) -> int:
    await client.send(get())
    return (await client.answer()).status


async def gone(client: RawClient) -> bool:
    """Whether the server has closed it, with or without an answer's beginning."""
    try:
        await client.rest()
    except ConnectionError:
        return True
    return True


async def test_who_never_said_a_word_makes_room_first_and_the_longest_silent_of_them() -> None:
    async with running(Service(max_connections=4)) as service, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(service)) for _ in range(4)]
        assert await asked(clients[0]) == 200
        assert counted(service, "") == 4
        working = await stack.enter_async_context(connected(service))
        assert await asked(working) == 200
        assert await gone(clients[1])
        assert [await asked(clients[index]) for index in (0, 2, 3)] == [200] * 3
        assert (counted(service, ""), counted(service, "_shed_total"), counted(service, "_refused_total")) == (4, 1, 0)


async def test_a_request_that_is_worked_on_stays_and_one_that_still_arrives_makes_room() -> None:
    async with running(Service(max_connections=2)) as service, AsyncExitStack() as stack:
        busy, half = [await stack.enter_async_context(connected(service)) for _ in range(2)]
        await busy.send(post("/api/telemetry/slow") + post(body=b"123")[:-1])
        await half.send(post(body=b"12")[:-1])
        await service.in_flight(2)
        late = await stack.enter_async_context(connected(service))
        assert await asked(late) == 200
        assert await gone(half)
        service.release.set()
        assert (await busy.answer()).status == 200
        await busy.send(b"3")
        assert (await busy.answer()).body == b'{"ok":true,"bytes":3}'


async def test_where_all_are_busy_a_new_connection_is_refused_and_others_go_on() -> None:
    async with running(Service(max_connections=2)) as service, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(service)) for _ in range(2)]
        for client in clients:
            await client.send(post("/api/telemetry/slow"))
        await service.in_flight(2)
        assert await gone(await stack.enter_async_context(connected(service)))
        assert counted(service, "_refused_total") == 1
        service.release.set()
        assert [(await client.answer()).status for client in clients] == [200, 200]
        assert await asked(await stack.enter_async_context(connected(service))) == 200


@pytest.mark.parametrize(("size", "chunk"), [(3_000, 1), (20_000, 6), (60_000, 20), (60_000, 1_000)])
async def test_small_chunks_are_fine(size: int, chunk: int) -> None:
    async with running(Service()) as service, connected(service) as client:
        for _ in range(3):
            await client.send(chunked(bytes(size), chunk))
            assert (await client.answer()).body == b'{"ok":true,"bytes":%d}' % size


@pytest.mark.parametrize("chunk", [1, 2])
async def test_a_body_that_is_mostly_framing_is_a_bad_request_long_before_its_end(chunk: int) -> None:
    async with running(Service()) as service, connected(service) as client:
        sent = chunked(bytes(MAX_BODY_BYTES), chunk)
        await client.send(sent[: 4 * MAX_OVERHEAD_BYTES])
        answer = await client.answer()
        assert (answer.error, answer.headers["connection"]) == ("bad_request", "close")
        assert service.bodies == []


async def test_a_head_that_comes_in_pieces_has_an_end() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(b"GET /api/telemetry HTTP/1.1\r\nHost: app.example\r\n")
        for number in range(MAX_OVERHEAD_BYTES // 8000 + 1):
            await client.send(b"X-%d: %s\r\n" % (number, bytes([120]) * 8000))
        assert (await client.answer()).error == "bad_request"


async def test_a_head_has_room_for_a_line_of_all_the_cookies_that_are_taken() -> None:
    async with running(Service()) as service:
        for length, status in ((MAX_COOKIE_CHARS, 200), (MAX_COOKIE_CHARS + 1, 400)):
            async with connected(service) as client:
                await client.send(get(Cookie="a=" + "x" * (length - 2)))
                assert (await client.answer()).status == status


@pytest.mark.parametrize(("size", "stays"), [(8_000, True), (30_000, False)])
async def test_a_connection_does_not_idle_with_a_large_head(size: int, stays: bool) -> None:
    """aiohttp's parser keeps a connection's last head until the next one: thousands of them would add up."""
    async with running(Service()) as service, connected(service) as client:
        await client.send(get(Cookie=f"other={'c' * size}"))
        answer = await client.answer()
        assert answer.status == 200
        assert (answer.headers.get("connection") == "close") is not stays


async def test_bodies_that_do_not_come_to_an_end_are_given_up_from_the_oldest_on() -> None:
    async with (
        running(Service(max_client_memory_bytes=100_000)) as service,
        connected(service) as old,
        connected(service) as new,
    ):
        body = bytes(60_000)
        await old.send(post(body=body)[:-1])
        await service.holding(60_000)
        await new.send(post(body=body)[:-1])
        answer = await old.answer()
        assert answer.error == "unavailable"
        assert 1 <= int(answer.headers["retry-after"]) <= 5
        await new.send(body[-1:])
        assert (await new.answer()).body == b'{"ok":true,"bytes":60000}'
        assert service.server.client_memory_bytes == 0


LARGE_HEAD = {f"X_{number}": "x" * 7_500 for number in range(4)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (get(Authorization="Bearer undecided", **LARGE_HEAD), b""),
        (post(Authorization="Bearer undecided", body=bytes(30_000)), b""),
        (post(Authorization="Bearer undecided", Content_Length="30000", body=b""), bytes(30_000)),
    ],
    ids=["head", "body", "body that may still come"],
)
async def test_who_waits_to_be_identified_makes_room_for_later_ones(before: bytes, after: bytes) -> None:
    async with running(Service(max_unidentified_bytes=100_000)) as service, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(service)) for _ in range(8)]
        for number, client in enumerate(clients):
            await client.send(before)
            await service.in_flight(min(number + 1, 3))
        for client in clients[:-3]:
            answer = await client.answer()
            assert answer.error == "unavailable"
            assert 1 <= int(answer.headers["retry-after"]) <= 5
        assert await asked(await stack.enter_async_context(connected(service))) == 200
        service.guests.decided.set()
        for client in clients[-3:]:
            await client.send(after)
            assert (await client.answer()).status == 200
        for _ in range(6):  # nothing is kept of those who were identified
            async with connected(service) as client:
                await client.send(before + after)
                assert (await client.answer()).status == 200


async def test_a_refused_request_leaves_its_body_without_waiting_for_the_collector() -> None:
    size = 54_321
    gc.collect()
    gc.disable()
    try:
        async with running(Service()) as service, connected(service) as client:
            for _ in range(5):
                await client.send(post(body=bytes(size), Authorization="Bearer down"))
                assert (await client.answer()).error == "unavailable"
            assert await asked(client) == 200
            bodies = [each for each in gc.get_objects() if isinstance(each, StreamReader) and each.total_bytes == size]
            assert [body for body in bodies if body.read_nowait()] == []
    finally:
        gc.enable()


async def test_answers_that_nobody_takes_are_bounded_for_all_together() -> None:
    limit = 4_000_000
    async with running(Service(max_client_memory_bytes=limit)) as service, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connected(service)) for _ in range(20)]
        for client in slow:
            client.stop_reading()
            await client.send(get("/large") * 20)
        while service.server.connections > limit // 500_000:
            assert service.server.client_memory_bytes <= limit
            await asyncio.sleep(0.01)
        assert await asked(await stack.enter_async_context(connected(service))) == 200
        for client in slow:
            client.read_on()
        cut = [client for client in slow if await cut_off(client, answers=20)]
        assert len(slow) / 2 < len(cut) < len(slow)
        await service.in_flight(0)
        assert service.server.client_memory_bytes == 0


async def cut_off(client: RawClient, answers: int) -> bool:
    try:
        for _ in range(answers):
            assert (await client.answer()).status == 200
    except GONE:
        return True
    return False


async def test_an_answer_that_is_taken_late_is_whole_and_nothing_is_kept_afterwards() -> None:
    async with running(Service(timeouts=ClientTimeouts(answer_s=30))) as service, connected(service) as client:
        client.stop_reading()
        await client.send(get("/large") * 3)
        await service.holding(500_000)
        client.read_on()
        for _ in range(3):
            assert (await client.answer()).body == bytes(1_000_000)
        assert service.server.client_memory_bytes == 0
        assert await asked(client) == 200


async def test_what_is_sent_ahead_of_an_answer_is_not_read_on_and_all_of_it_is_answered_in_the_end() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post("/api/telemetry/slow"))
        await service.entered.wait()
        sizes = [60_000 + number for number in range(40)]
        sending = asyncio.create_task(client.send(b"".join(post(body=bytes(size)) for size in sizes)))
        await service.holding(READ_BUFFER_BYTES)
        await asyncio.sleep(0)
        assert service.server.client_memory_bytes < 4 * READ_BUFFER_BYTES + MAX_QUEUED * 4096
        service.release.set()
        await client.answer()
        for size in sizes:
            assert (await client.answer()).body == b'{"ok":true,"bytes":%d}' % size
        await sending
        assert service.server.client_memory_bytes == 0
