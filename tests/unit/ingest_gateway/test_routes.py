"""What the gateway answers, and what it writes to the log."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.ingest_gateway.routes import IngestHandlers, gateway_routes
from siddes_telemetry.schemas.client_batch import NO_BATCH, Line, batch_key, partition_of
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.request_bodies import BodyParser
from siddes_telemetry.schemas.timestamps import parse_time
from siddes_telemetry.web.routing import Request, Response, RouteAccess
from tests.unit.ingest_gateway.group_commit_harness import CREATED_AT, Rig, settle
from tests.unit.schemas.shipped import REGISTRY
from tests.unit.web.handlers import answer

BATCH_ID = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"
NOW_MS = parse_time(CREATED_AT)


class Gateway(Rig):
    """The gateway's handlers over a log in the test's hands."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(partitions)
        ingest = IngestHandlers(BodyParser(REGISTRY), self.committer, self.metrics, lambda: NOW_MS)
        self.routes = {route.path: route for route in gateway_routes(ingest)}

    async def post(self, path: str, body: object, viewer: str = "42") -> asyncio.Task[Response]:
        """Begin to post, and let it get as far as it gets."""
        request = Request(viewer, "", None, json.dumps(body).encode())
        task = asyncio.ensure_future(answer(self.routes[path], request))
        await settle()
        return task

    def events(self, name: str) -> tuple[float, float]:
        """(sum of counts, reports) of an event, as measured."""
        return (
            self.sample("siddes_events_accepted_total", event=name),
            self.sample("siddes_event_reports_total", event=name),
        )


def batch(*events: object) -> dict[str, object]:
    return {"batch_id": BATCH_ID, "events": list(events)}


def line(event: str, count: int, viewer: str = "42") -> Line:
    return Line(viewer, event, count, NOW_MS)


@pytest.mark.parametrize("path", ["/api/telemetry/ingest", "/api/telemetry"])
async def test_a_count_is_answered_when_the_log_has_it(path: str) -> None:
    gateway = Gateway()
    task = await gateway.post(path, {"event": "suggestion_accepted", "count": 3})
    assert not task.done()
    (written,) = gateway.log.appends[0].batches
    assert written.key == NO_BATCH
    assert written.lines == (line("suggestion_accepted", 3),)
    assert gateway.events("suggestion_accepted") == (0, 0)
    await gateway.log.ack(gateway.log.appends[0])
    assert await task == Response(b'{"ok":true}')
    assert gateway.events("suggestion_accepted") == (3, 1)


async def test_the_line_is_written_as_documented() -> None:
    gateway = Gateway()
    await gateway.post("/api/telemetry", {"event": "suggestion_shown"}, viewer="A.b_c:d@e-f")
    append = gateway.log.appends[0]
    assert append.value == (
        b'{"viewer_id":"A.b_c:d@e-f","event":"suggestion_shown","count":1,"created_at":"2026-11-22 10:00:00.123"}\n'
    )
    assert append.headers == (("schema", b"2.1"), ("rows", b"1"), ("batches", bytes(16) + b"\x00\x01"))


async def test_equal_events_of_a_batch_are_added_up_under_its_key() -> None:
    gateway = Gateway(8)
    shown, skipped = {"event": "suggestion_shown", "count": 50}, {"event": "suggestion_skipped"}
    task = await gateway.post("/api/telemetry/batch", batch(shown, skipped, shown))
    append = gateway.log.appends[0]
    key = batch_key(UUID(BATCH_ID).bytes, "42")
    (written,) = append.batches
    assert append.partition == partition_of(key, 8)
    assert written.key == key
    assert written.lines == (line("suggestion_shown", 100), line("suggestion_skipped", 1))
    await gateway.log.ack(append)
    assert json.loads((await task).body) == {"ok": True, "accepted": 3, "rejected": []}
    assert gateway.events("suggestion_shown") == (100, 2)


async def test_a_batch_of_another_viewer_has_another_key() -> None:
    gateway = Gateway()
    for viewer in ("1", "2"):
        await gateway.post("/api/telemetry/batch", batch({"event": "suggestion_shown"}), viewer)
        await gateway.log.ack(gateway.log.open[0])
    first, second = (append.batches[0].key for append in gateway.log.appends)
    assert first != second


async def test_good_events_count_and_bad_ones_are_named_by_their_place() -> None:
    gateway = Gateway()
    good = {"event": "suggestion_shown"}
    task = await gateway.post("/api/telemetry/batch", batch({"event": "no"}, good, {**good, "name": "x"}, 5, good))
    assert gateway.log.appends[0].batches[0].lines == (line("suggestion_shown", 2),)
    await gateway.log.ack(gateway.log.appends[0])
    assert json.loads((await task).body) == {
        "ok": True,
        "accepted": 2,
        "rejected": [
            {"index": 0, "error": "invalid_event"},
            {"index": 2, "error": "unexpected_field"},
            {"index": 3, "error": "invalid_event"},
        ],
    }
    assert gateway.sample("siddes_events_rejected_total", error="invalid_event") == 2


@pytest.mark.parametrize("events", [[], [{"event": "no"}]])
async def test_a_batch_with_no_good_event_is_answered_without_the_log(events: list[object]) -> None:
    gateway = Gateway()
    task = await gateway.post("/api/telemetry/batch", batch(*events))
    answer = json.loads((await task).body)
    assert (answer["accepted"], len(answer["rejected"])) == (0, len(events))
    assert not gateway.log.appends


@pytest.mark.parametrize("path", ["/api/telemetry", "/api/telemetry/batch"])
async def test_a_log_that_says_no_is_503_and_counts_nothing_as_accepted(path: str) -> None:
    gateway = Gateway()
    event = {"event": "suggestion_shown"}
    task = await gateway.post(path, batch(event) if path.endswith("batch") else event)
    await gateway.log.fail(gateway.log.appends[0], LogUnavailable())
    with pytest.raises(ApiError) as raised:
        await task
    assert raised.value.code is ErrorCode.unavailable
    assert gateway.events("suggestion_shown") == (0, 0)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/telemetry", ErrorCode.invalid_event),
        ("/api/telemetry/ingest", ErrorCode.invalid_event),
        ("/api/telemetry/batch", ErrorCode.invalid_batch),
    ],
)
async def test_a_bad_body_is_refused_and_a_broken_one_is_called_the_same(path: str, code: ErrorCode) -> None:
    gateway = Gateway()
    with pytest.raises(ApiError) as raised:
        await (await gateway.post(path, {}))
    assert raised.value.code is code
    assert gateway.routes[path].broken_body is code
    assert gateway.routes[path].access is RouteAccess.WRITE
    assert not gateway.log.appends
