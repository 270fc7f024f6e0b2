"""Broken HTTP and slow HTTP, by raw sockets: the documented code, never a word of what was sent, never a hang."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from siddes_telemetry.web.connection_limits import READ_BUFFER_BYTES, ClientTimeouts
from tests.fakes.web_service import DEFECT, MAX_BODY_BYTES, RawClient, Service, connected, get, post, running

CANARY = "canary5e1f"
C = CANARY.encode()
HOST = b"Host: app.example\r\n"
AUTH = b"Authorization: Bearer good\r\n"
POST = b"POST /api/telemetry/ingest HTTP/1.1\r\n" + HOST + AUTH
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HASTY = ClientTimeouts(arrival_s=0.15, answer_s=0.3, closing_s=0.3)


@pytest.fixture(autouse=True)
def _nothing_leaks(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No test here may leave a word of a client's, or of an exception's, in any log or on any stream."""
    with caplog.at_level(logging.DEBUG):
        yield
    out, err = capfd.readouterr()
    for text in (out, err, caplog.text):
        assert CANARY not in text
        assert DEFECT not in text
        assert "Traceback" not in text
        assert "127.0.0.1" not in text


BAD_REQUESTS = {
    "not HTTP": C + b"\r\n\r\n",
    "unknown method": C + b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /" + C + b"\r\n\r\n",
    "unknown version": b"GET /" + C + b" HTTP/9.9\r\n" + HOST + b"\r\n",
    "version 2 in words": b"GET /" + C + b" HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + C,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + C + bytes(40),
    "no Host": b"GET /" + C + b" HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: " + C + b"\r\n\r\n",
    "space in the target": b"GET /a " + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /\x01" + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without a slash": b"GET " + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target without a host": b"GET http:///" + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad port in an absolute target": b"GET http://a:" + C + b"/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes above ASCII in the target": b"GET /\xff\xfe" + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\n" + HOST + C + b"\r\n\r\n",
    "space in a header's name": b"GET / HTTP/1.1\r\n" + HOST + b"X " + C + b": 1\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\n" + HOST + C + b" : 1\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n " + C + b"\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00" + C + b"\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r" + C + b"\r\n\r\n",
    "long target": b"GET /" + C * 1000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long header": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + C * 4000 + b"\r\n\r\n",
    "long header's name": b"GET / HTTP/1.1\r\n" + HOST + C * 4000 + b": 1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + C + b"\r\n") * 200 + b"\r\n",
    "length is a word": POST + b"Content-Length: " + C + b"\r\n\r\n",
    "length is negative": POST + b"Content-Length: -1\r\n\r\n" + C,
    "length overflows": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + C,
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 12\r\n\r\n{}" + C,
    "length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + C,
    "unknown transfer coding": POST + b"Transfer-Encoding: " + C + b"\r\n\r\n",
    "coding under the chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\na\r\n" + C + b"\r\n0\r\n\r\n",
    "bad chunk size": CHUNKED + C + b"\r\n",
    "chunk longer than its size": CHUNKED + b"2\r\n" + C + b"\r\n0\r\n\r\n",
    "chunk size overflows": CHUNKED + b"f" * 20 + b"\r\n" + C,
    "bad chunk extension": CHUNKED + b"2;\x01" + C + b"\r\n{}\r\n0\r\n\r\n",
    "bad trailer": CHUNKED + b"2\r\n{}\r\n0\r\n" + C + b"\r\n\r\n",
    "unknown expectation": POST + b"Expect: " + C + b"\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("sent", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_what_is_not_http_is_a_bad_request(sent: bytes) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(sent)
        answer = await client.answer()
        assert answer.error == "bad_request"
        assert len(answer.headers["x-request-id"]) == 32
        assert C not in answer.raw
        assert service.counted(400) == 1
        client.finish_sending()
        assert await client.rest() == b""
        assert service.bodies == []


IN_TWO_PARTS = [
    (CHUNKED, C + b"\r\n"),
    (CHUNKED + b"2\r\n{}\r\n", C),
    (CHUNKED + b"2\r\n{", b"}" + C),
    (CHUNKED + b"2\r\n{}\r\n0\r\n", C + b"\r\n\r\n"),
]


@pytest.mark.parametrize(("first", "second"), IN_TWO_PARTS)
async def test_a_body_that_breaks_on_its_way_is_a_bad_request(first: bytes, second: bytes) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(first)
        await service.in_flight(1)
        await client.send(second)
        answer = await client.answer()
        assert answer.error == "bad_request"
        assert answer.headers["connection"] == "close"
        client.finish_sending()
        assert await client.rest() == b""
        await service.in_flight(0)


ODD_REQUESTS: dict[str, tuple[bytes, int]] = {
    "unknown path": (get(f"/{CANARY}"), 404),
    "encoded path": (get("/api/telemetr%79"), 404),
    "dotted path": (get("/api/../api/telemetry"), 404),
    "double slash": (get("//api/telemetry"), 404),
    "trailing slash": (get("/api/telemetry/"), 404),
    "upper case": (get("/API/telemetry"), 404),
    "fragment": (get(f"/api/telemetry#{CANARY}"), 404),
    "absolute form": (get(f"http://{CANARY}/api/telemetry?days=7"), 200),
    "absolute form without a path": (get(f"http://{CANARY}"), 404),
    "asterisk": (get("*", method="OPTIONS"), 404),
    "CONNECT": (b"CONNECT " + C + b":443 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "CONNECT to a bad authority": (b"CONNECT [" + C + b" HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "websocket": (get(Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key=CANARY), 200),
    "h2c": (post(Upgrade="h2c", Connection="Upgrade, HTTP2-Settings", HTTP2_Settings=CANARY), 200),
    "TRACE": (get(method="TRACE"), 405),
    "PROPFIND": (get(method="PROPFIND"), 405),
    "DELETE": (get(method="DELETE"), 405),
    "OPTIONS": (get(method="OPTIONS"), 405),
    "bad token": (post(Authorization=f"Bearer {CANARY}"), 401),
    "long token": (post(Authorization="Bearer " + CANARY * 700), 401),
    "odd cookie": (post(Authorization="", Cookie=f'a="{CANARY}\\'), 401),
    "bytes above ASCII": (POST.replace(b"good", b"\xff" + C) + b"Content-Length: 2\r\n\r\n{}", 401),
    "HTML": (post(Content_Type=f"text/html; x={CANARY}"), 415),
    "unknown encoding": (post(Content_Encoding=CANARY), 415),
    "not gzip": (post(body=C, Content_Encoding="gzip"), 400),
    "gzip cut short": (post(body=gzip.compress(C)[:-3], Content_Encoding="gzip"), 400),
    "gzip and more": (post(body=gzip.compress(C) + C, Content_Encoding="gzip"), 400),
    "bomb": (post(body=gzip.compress(C * 100_000), Content_Encoding="gzip"), 413),
    "too large": (post(body=C * 7000), 413),
    "too large in chunks": (CHUNKED + (b"2710\r\n" + C * 1000 + b"\r\n") * 7 + b"0\r\n\r\n", 413),
    "odd request id": (post(X_Request_Id=CANARY), 200),
    "bytes before the first line": (b"\r\n\r\n" + post(), 200),
    "defect": (post("/api/telemetry/defect", body=C), 500),
}


@pytest.mark.parametrize(("sent", "status"), ODD_REQUESTS.values(), ids=ODD_REQUESTS.keys())
async def test_odd_requests_get_their_code_and_no_word_back(sent: bytes, status: int) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(sent)
        answer = await client.answer()
        assert answer.status == status
        assert C not in answer.raw
        if status != 200:
            assert answer.error
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["server"] == "siddes"
        client.finish_sending()
        assert await client.rest() == b""


async def test_the_target_is_split_at_the_first_question_mark() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(get("/api/telemetry?days=7?%41") + get("http://x/api/telemetry?days=%37") + get())
        for _ in range(3):
            assert (await client.answer()).status == 200
        assert [request.query for request in service.requests] == ["days=7?%41", "days=%37", ""]


async def test_head_has_no_body_and_the_connection_stays_in_step() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(get(method="HEAD") + get())
        head = await client.answer(to_head=True)
        answer = await client.answer()
        assert (head.status, head.headers["content-length"]) == (200, str(len(answer.body)))


async def test_a_hundred_pipelined_requests_are_answered_in_order() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(b"".join(post(body=b"x" * size) for size in range(100)))
        for size in range(100):
            assert (await client.answer()).body == b'{"ok":true,"bytes":%d}' % size


async def test_requests_are_answered_that_were_sent_ahead_of_the_answer_to_one_that_came_in_pieces() -> None:
    async with running(Service()) as service, connected(service) as client:
        first = post("/api/telemetry/slow", body=b"12")
        await client.send(first[:-1])
        await service.in_flight(1)  # taken before its body is whole
        service.release.set()
        await client.send(first[-1:] + b"".join(post(body=b"x" * size) for size in range(1000)))
        assert (await client.answer()).body == b'{"ok":true}'
        for size in range(1000):
            assert (await client.answer()).body == b'{"ok":true,"bytes":%d}' % size


async def test_an_answer_that_cannot_be_written_is_an_internal_error() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(get("/odd"))
        assert (await client.answer()).error == "internal"
        await client.send(get())
        assert (await client.answer()).status == 200


async def test_requests_before_a_broken_one_are_answered() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post("/api/telemetry/slow") + post(body=b"12"))
        await service.entered.wait()
        await client.send(C + b"\r\n\r\n")
        service.release.set()
        assert (await client.answer()).status == 200
        assert (await client.answer()).body == b'{"ok":true,"bytes":2}'
        assert (await client.answer()).error == "bad_request"
        client.finish_sending()
        assert await client.rest() == b""


async def test_a_body_that_is_whole_stays_so_whatever_follows_it() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post("/api/telemetry/slow") + post(body=b"12")[:-1])
        await service.entered.wait()
        await client.send(b"2" + C + b"\r\n\r\n")
        async with connected(service) as other:  # by its answer, those bytes have arrived
            await other.send(get())
            await other.answer()
        service.release.set()
        assert (await client.answer()).status == 200
        assert (await client.answer()).body == b'{"ok":true,"bytes":2}'
        assert (await client.answer()).error == "bad_request"


async def test_an_upgrade_that_we_do_not_make_ends_the_connection() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(get(Upgrade="websocket", Connection="Upgrade") + C)
        answer = await client.answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (post(body=b"x" * 10_000, Authorization=""), 401),
        (post("/nowhere", body=b"x" * 10_000), 404),
        (post(body=b"x" * 70_000), 413),
        (get(Content_Length="10000") + b"x" * 10_000, 200),
    ],
)
async def test_the_connection_lives_on_after_an_answer_that_came_before_the_body(bad: bytes, status: int) -> None:
    async with running(Service()) as service, connected(service) as client:
        head, _, body = bad.partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        answer = await client.answer()
        assert answer.status == status
        assert "connection" not in answer.headers
        await client.send(body + post(body=b"12"))
        assert (await client.answer()).body == b'{"ok":true,"bytes":2}'


@pytest.mark.parametrize(
    "head",
    [
        post(body=b"", Content_Length="10000000"),
        post(Authorization="", body=b"", Content_Length="10000000"),
        POST.replace(AUTH, b"") + b"Transfer-Encoding: chunked\r\n\r\n",
        post(Authorization="", Expect="100-continue", body=b"", Content_Length="10"),
    ],
)
async def test_a_body_that_nobody_wants_and_that_has_no_near_end_closes_the_connection(head: bytes) -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        await client.send(head)
        answer = await client.answer()
        assert answer.error in ("too_large", "no_viewer")
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("sent", "error"),
    [(post(body=b"", Content_Length="20000000"), "too_large"), (C + b" is no request\r\n", "bad_request")],
)
async def test_a_client_that_goes_on_sending_still_gets_its_answer(sent: bytes, error: str) -> None:
    async with running(Service()) as service, connected(service) as client:
        client.stop_reading()  # were the connection reset now, the answer would be gone
        await client.send(sent)
        for _ in range(20):
            await client.send(bytes(1_000_000))
        client.read_on()
        assert (await client.answer()).error == error


async def test_a_client_that_was_held_up_may_send_its_rest_to_get_its_answer() -> None:
    async with running(Service()) as service, connected(service) as client:
        client.stop_reading()
        await client.send(get("/slow", Content_Length="10000000"))
        sending = asyncio.create_task(client.send(bytes(10_000_000)))
        await service.entered.wait()
        async with connected(service) as other:  # by its answer, more of the body has arrived than we hold
            await other.send(get())
            await other.answer()
        assert not sending.done()
        service.release.set()
        await sending
        client.read_on()
        assert (await client.answer()).status == 200


async def test_a_body_is_not_read_past_its_limit() -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        await client.send(CHUNKED)
        with pytest.raises(ConnectionError):
            await client.send_for_ever(b"f4240\r\n" + bytes(1_000_000) + b"\r\n")
        assert service.counted(413) == 1
        assert service.bodies == []


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
async def test_an_awaited_body_is_invited_once_its_request_has_passed(expect: str) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post(body=b"", Content_Length="2", Expect=expect))
        assert (await client.answer()).raw == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"{}")
        assert (await client.answer()).body == b'{"ok":true,"bytes":2}'


async def test_a_body_that_came_uninvited_is_not_invited() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post(Expect="100-continue"))
        assert (await client.answer()).status == 200
        await client.send(post(Expect="100-continue", body=b"12").replace(b"HTTP/1.1", b"HTTP/1.0")[:-1])
        await service.in_flight(1)
        await client.send(b"2")
        assert (await client.answer()).status == 200


SLOW = {
    "in the first line": b"POST /api/" + C,
    "in the headers": POST + b"X: " + C,
    "in a body with a length": POST + b"Content-Length: 100\r\n\r\n" + C,
    "in a chunk": CHUNKED + b"ff\r\n" + C,
    "between chunks": CHUNKED + b"a\r\n" + C + b"\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_a_request_that_stops_arriving_times_out(sent: bytes) -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        await client.send(sent)
        answer = await client.answer()
        assert answer.error == "request_timeout"
        assert answer.headers["connection"] == "close"
        assert C not in answer.raw
        assert await client.rest() == b""
        assert service.bodies == []


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_trickling_bytes_do_not_buy_time(sent: bytes) -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        await client.send(sent)
        answering = asyncio.create_task(client.answer())
        while not answering.done():
            await client.send(b"1")
            await asyncio.wait([answering], timeout=0.02)
        assert answering.result().error == "request_timeout"


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_a_slow_request_behind_good_ones_times_out_in_its_turn(sent: bytes) -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        await client.send(post("/api/telemetry/slow"))
        await client.send(sent)
        await service.entered.wait()
        await client.send(b"1")  # a head that began in the packet of another request is timed from its second part
        await asyncio.sleep(2 * HASTY.arrival_s)
        service.release.set()
        assert (await client.answer()).status == 200
        assert (await client.answer()).error == "request_timeout"
        assert await client.rest() == b""


async def test_nobody_is_late_behind_requests_that_are_not_read_on() -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        bodies = [b"%d" % number * 60_000 for number in range(4)]
        last = post(body=bodies.pop())
        await client.send(post("/api/telemetry/slow"))
        await service.entered.wait()
        sending = asyncio.create_task(client.send(b"".join(post(body=body) for body in bodies) + last[:-1]))
        await service.holding(READ_BUFFER_BYTES)
        await asyncio.sleep(2.5 * HASTY.arrival_s)
        service.release.set()
        assert [(await client.answer()).status for _ in range(4)] == [200] * 4
        assert service.bodies == bodies
        await sending
        assert (await client.answer()).error == "request_timeout"  # time begins when it is read


async def test_a_request_that_arrives_in_parts_but_in_time_leaves_no_timer_behind() -> None:
    async with running(Service(timeouts=HASTY)) as service, connected(service) as client:
        for _ in range(2):
            request = post(body=b"12")
            for part in (request[:30], request[30:-1], request[-1:]):
                await client.send(part)
                await asyncio.sleep(0)
            assert (await client.answer()).status == 200
            await asyncio.sleep(2 * HASTY.arrival_s)


async def test_a_long_body_behind_a_slow_request_is_whole() -> None:
    """Reading pauses while the body is not read; then it must resume, and its timer end."""
    async with running(Service()) as service, connected(service) as client:
        body = b"x" * MAX_BODY_BYTES
        await client.send(post("/api/telemetry/slow"))
        sending = asyncio.create_task(client.send(post(body=body) * 40))
        await service.entered.wait()
        service.release.set()
        assert (await client.answer()).status == 200
        for _ in range(40):
            assert (await client.answer()).body == b'{"ok":true,"bytes":65536}'
        await sending
        assert service.bodies == [body] * 40


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    async with running(Service(timeouts=ClientTimeouts(silence_s=0.2, idle_s=0.2))) as service:
        async with connected(service) as silent:
            assert await silent.rest() == b""
        async with connected(service) as client:
            await client.send(post())
            assert (await client.answer()).status == 200
            assert await client.rest() == b""


async def test_a_client_that_never_reads_its_answers_is_cut_off() -> None:
    async with running(Service(timeouts=HASTY)) as service:
        client = await RawClient.to(service.port)
        client.stop_reading()
        await client.send(get("/large") * 300)
        await service.left_alone()
        assert service.counted(200) < 100  # what the kernel's buffers hold of 1 MB answers, and no more
        client.reset()


async def test_a_client_that_has_finished_sending_still_gets_all_its_answers() -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(post("/api/telemetry/slow") + post(body=b"12"))
        client.finish_sending()
        await service.entered.wait()
        service.release.set()
        assert (await client.answer()).status == 200
        answer = await client.answer()
        assert answer.body == b'{"ok":true,"bytes":2}'
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_a_request_cut_short_is_a_bad_request(sent: bytes) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(sent)
        client.finish_sending()
        assert (await client.answer()).error == "bad_request"
        assert await client.rest() == b""


async def test_a_client_that_goes_away_does_not_stop_what_it_asked_for() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(Service()) as service:
        client = await RawClient.to(service.port)
        await client.send(post("/api/telemetry/slow"))
        await service.entered.wait()
        client.reset()
        async with connected(service) as other:  # by its answer, the reset has arrived
            await other.send(post())
            await other.answer()
        service.release.set()
        await service.in_flight(0)
        assert service.finished == 1
        assert service.cancelled == 0
    assert complaints == []


async def test_clients_that_go_away_in_mid_request_are_quiet() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(Service()) as service:
        for sent in (*SLOW.values(), *(first for first, _ in IN_TWO_PARTS), b"", C):
            client = await RawClient.to(service.port)
            await client.send(sent)
            await asyncio.sleep(0.01)
            client.reset()
        async with connected(service) as other:
            await other.send(post())
            assert (await other.answer()).status == 200
        await service.in_flight(0)
    assert complaints == []


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
async def test_a_connection_is_kept_as_the_client_asks(version: str, connection: str, kept: bool) -> None:
    async with running(Service()) as service, connected(service) as client:
        await client.send(get(Connection=connection).replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
        answer = await client.answer()
        assert answer.status == 200
        if kept:
            assert answer.headers.get("connection") == ("keep-alive" if version == "1.0" else None)
            await client.send(get())
            assert (await client.answer()).status == 200
        else:
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b""
