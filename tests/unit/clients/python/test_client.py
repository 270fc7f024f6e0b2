"""The client against a real HTTP server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import siddes_telemetry_client
from siddes_telemetry_client import TelemetryClient

Handler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Gateway:
    """Answers properly, but for what stands in `first`: those handlers get the first requests, one each."""

    def __init__(self) -> None:
        self.first: list[Handler] = []
        self.requests: list[web.Request] = []
        self.batches: list[bytes] = []
        self.counted: Counter[str] = Counter()  # by token
        self._seen: set[str] = set()
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def count(self, request: web.Request, body: bytes) -> None:
        batch = json.loads(body)
        if batch["batch_id"] not in self._seen:
            self._seen.add(batch["batch_id"])
            self.counted[request.headers["Authorization"]] += sum(entry["count"] for entry in batch["events"])

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.batches.append(await request.read())
        if self.first and (answer := await self.first.pop(0)(request)) is not None:
            return answer
        self.count(request, self.batches[-1])
        return web.json_response({"ok": True, "accepted": 1, "rejected": []})


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A running server; fails where the client's tasks ended in an error that nobody saw."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    gateway = Gateway()
    await gateway.server.start_server()
    yield gateway
    await gateway.server.close()
    assert not reported


def answering(status: int, **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({"ok": False, "error": "x"}, status=status, headers=named)

    return answer


async def hang(request: web.Request) -> None:
    await asyncio.sleep(60)


async def cut(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def test_a_batch_is_posted_with_the_token_of_its_viewer(gateway: Gateway) -> None:
    async with TelemetryClient(gateway.url + "/prefix/") as telemetry:
        telemetry.count("suggestion_accepted", 3, token="alice")
        telemetry.count("suggestion_accepted", token="bob")
    assert gateway.counted == {"Bearer alice": 3, "Bearer bob": 1}
    assert telemetry.stats.accepted == 2
    request = gateway.requests[0]
    assert (request.method, request.path) == ("POST", "/prefix/api/telemetry/batch")
    assert request.headers["Content-Type"] == "application/json"
    batch = json.loads(gateway.batches[0])
    assert set(batch) == {"batch_id", "events"}
    assert UUID(batch["batch_id"]).version == 7


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_outage_is_waited_out_under_the_same_id(gateway: Gateway, status: int) -> None:
    gateway.first = [answering(status, Retry_After="0"), cut, answering(status)]
    async with TelemetryClient(gateway.url) as telemetry:
        telemetry.count("suggestion_accepted", 3, token="alice")
        assert await telemetry.flush(30.0)
    assert len(gateway.batches) == 4
    assert len(set(gateway.batches)) == 1
    assert gateway.counted == {"Bearer alice": 3}


async def test_a_connection_cut_after_the_request_was_read_counts_once(gateway: Gateway) -> None:
    async def count_and_cut(request: web.Request) -> None:
        gateway.count(request, await request.read())
        await cut(request)

    gateway.first = [count_and_cut]
    async with TelemetryClient(gateway.url) as telemetry:
        telemetry.count("suggestion_accepted", 3, token="alice")
        assert await telemetry.flush(30.0)
    assert len(gateway.batches) == 2
    assert gateway.counted == {"Bearer alice": 3}
    assert telemetry.stats.accepted == 1


async def test_an_answer_that_breaks_off_counts_once(gateway: Gateway) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        gateway.count(request, await request.read())
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b'{"ok":')
        await cut(request)
        return answer

    gateway.first = [half]
    async with TelemetryClient(gateway.url) as telemetry:
        telemetry.count("suggestion_accepted", 3, token="alice")
        assert await telemetry.flush(30.0)
    assert len(gateway.batches) == 2
    assert gateway.counted == {"Bearer alice": 3}


async def test_a_server_that_hangs_is_given_up_and_asked_again(gateway: Gateway) -> None:
    gateway.first = [hang]
    async with TelemetryClient(gateway.url, request_timeout_s=0.2) as telemetry:
        telemetry.count("suggestion_accepted", 3, token="alice")
        assert await telemetry.flush(30.0)
    assert gateway.counted == {"Bearer alice": 3}


async def test_a_redirect_is_not_followed_and_the_batch_refused(gateway: Gateway) -> None:
    gateway.first = [answering(307, Location="/elsewhere")]
    async with TelemetryClient(gateway.url) as telemetry:
        telemetry.count("suggestion_accepted", token="alice")
    assert len(gateway.requests) == 1
    assert telemetry.stats.refused == 1


async def test_a_cookie_of_one_answer_goes_with_no_other_request(gateway: Gateway) -> None:
    gateway.first = [answering(401, Set_Cookie="sessionid=alice; Path=/")]
    named = gateway.url.replace("127.0.0.1", "localhost")  # no jar keeps the cookies of a bare address
    async with TelemetryClient(named) as telemetry:
        telemetry.count("suggestion_accepted", token="alice")
        await telemetry.flush(30.0)
        telemetry.count("suggestion_accepted", token="bob")
    assert [request.headers.get("Cookie") for request in gateway.requests] == [None, None]


async def test_a_long_answer_is_not_read_to_its_end(gateway: Gateway) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b" " * 65536)
        except ConnectionError:
            return answer

    gateway.first = [endless]
    async with TelemetryClient(gateway.url, request_timeout_s=5.0) as telemetry:
        telemetry.count("suggestion_accepted", token="alice")
        assert await telemetry.flush(30.0)
    assert telemetry.stats.accepted == len(gateway.requests) == 1


async def test_leaving_gives_up_at_the_deadline(gateway: Gateway) -> None:
    gateway.first = [hang]
    started_s = asyncio.get_running_loop().time()
    async with TelemetryClient(gateway.url, close_timeout_s=0.2) as telemetry:
        telemetry.count("suggestion_accepted", token="alice")
    assert asyncio.get_running_loop().time() - started_s < 5.0
    telemetry.count("suggestion_accepted", token="alice")
    assert telemetry.stats.abandoned == telemetry.stats.called == 2


async def test_a_cancelled_application_leaves_nothing_running(gateway: Gateway) -> None:
    gateway.first = [hang]
    before = asyncio.all_tasks()
    arrived = asyncio.Event()

    async def application() -> None:
        async with TelemetryClient(gateway.url, linger_s=0.0, close_timeout_s=0.1) as telemetry:
            telemetry.count("suggestion_accepted", token="alice")
            arrived.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(application())
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gateway.server.close()
    assert asyncio.all_tasks() <= before


async def test_an_application_that_is_cancelled_at_every_await_leaves_nothing_open(gateway: Gateway) -> None:
    gateway.first = [hang]
    telemetry = TelemetryClient(gateway.url, linger_s=0.0)

    async def application() -> None:
        async with telemetry:
            telemetry.count("suggestion_accepted", token="alice")
            await asyncio.sleep(60)

    before = asyncio.all_tasks()
    task = asyncio.create_task(application())
    while not gateway.requests:  # noqa: ASYNC110 - the model has nothing to wait for
        await asyncio.sleep(0.01)
    while not task.done():  # as anyio does to what is in a cancelled scope
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert telemetry._delivery is not None
    assert telemetry._delivery.session.closed
    assert telemetry.stats.abandoned == telemetry.stats.called == 1
    await gateway.server.close()
    assert asyncio.all_tasks() <= before


async def test_count_belongs_to_the_thread_of_the_loop(gateway: Gateway) -> None:
    async with TelemetryClient(gateway.url) as telemetry:
        with pytest.raises(RuntimeError, match="belongs to the thread"):
            await asyncio.to_thread(telemetry.count, "suggestion_accepted", token="alice")
        assert (await asyncio.to_thread(lambda: telemetry.stats)).called == 0


def test_count_needs_an_entered_client() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        TelemetryClient("http://localhost").count("suggestion_accepted", token="alice")


async def test_neither_repr_nor_log_shows_a_token_or_a_response(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.first = [cut, answering(503, Retry_After="canary"), answering(400, X="canary")]
    async with TelemetryClient(gateway.url, max_waiting=1) as telemetry:
        telemetry.count("suggestion_accepted", token="canary")
        telemetry.count("suggestion_accepted", token="canary")
        assert telemetry._delivery is not None
        queue = telemetry._delivery.sender._scheduler._queues["canary"]
        seen = [repr(thing) for thing in (telemetry, telemetry.stats, telemetry._delivery.sender, queue, queue.waiting)]
        assert await telemetry.flush(30.0)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("siddes_telemetry_client")]
    assert len(ours) == 4  # overflow, unreachable, 503, 400
    assert not [text for text in seen + ours if "canary" in text]


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8080", "ftp://host", "http://", "http://host:0", "http://user:secret@host", "http://host/?x=1"],
)
def test_an_address_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="the address must") as refused:
        TelemetryClient(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("setting", ["linger_s", "max_waiting", "request_timeout_s", "close_timeout_s"])
def test_a_setting_that_cannot_work_is_refused_at_once(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        TelemetryClient("http://localhost", **{setting: -1})


def test_it_imports_nothing_of_the_server() -> None:
    sources = Path(siddes_telemetry_client.__file__).parent.glob("*.py")
    assert not [source.name for source in sources if "siddes_telemetry." in source.read_text()]
