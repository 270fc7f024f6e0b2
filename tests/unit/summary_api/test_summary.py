"""The summary: its query to the store, and its response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.ports.errors import StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.timestamps import DAY_MS
from siddes_telemetry.summary_api.routes import SummaryHandlers, requested_days, summary_routes
from siddes_telemetry.web.routing import Request, Response, RouteAccess
from tests.fakes.memory_store import MemoryStore
from tests.unit.schemas.shipped import REGISTRY

NOW_MS = 1_790_000_000_123


class Store(MemoryStore):
    """A store that returns the given counts and records its queries."""

    def __init__(self, counts: Mapping[str, int] | Exception) -> None:
        super().__init__()
        self.answer = counts
        self.asked: list[tuple[str, int, float]] = []
        self.asked_windows: list[tuple[str | float, ...]] = []

    async def counts(self, viewer_id: str, *, since_ms: int, deadline_s: float) -> Mapping[str, int]:
        self.asked.append((viewer_id, since_ms, deadline_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def counts_by_window(
        self, viewer_id: str, *, starts_ms: Sequence[int], deadline_s: float
    ) -> Sequence[Mapping[str, int]]:
        """The newest window has the given counts, the one before ten times as many."""
        self.asked_windows.append((viewer_id, *starts_ms, deadline_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return [{event: 10 * count for event, count in self.answer.items()}, self.answer]


async def ask(
    store: Store, query: str = "", *, viewer: str = "42", if_none_match: str | None = None, retention_days: int = 30
) -> Response:
    summary = SummaryHandlers(
        store, REGISTRY, retention_days=retention_days, wall_clock_ms=lambda: NOW_MS, deadline_s=2.5
    )
    return await summary.summary(Request(viewer, query, if_none_match, b""))


def header(response: Response, name: str) -> str:
    return dict(response.headers)[name]


async def test_counts_come_in_registry_order_and_only_those_that_occurred() -> None:
    response = await ask(Store({"suggestion_undo": 1, "retired_event": 9, "suggestion_shown": 12}))
    assert response.body == b'{"ok":true,"days":7,"counts":{"suggestion_shown":12,"suggestion_undo":1}}'
    assert response.status == 200


async def test_no_counts_are_an_empty_response() -> None:
    assert json.loads((await ask(Store({}))).body)["counts"] == {}


async def test_only_the_viewers_own_counts_are_queried() -> None:
    store = Store({})
    await ask(store, "viewer_id=7&days=3", viewer="42")
    assert store.asked == [("42", NOW_MS - 3 * DAY_MS, 2.5)]


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", 7),
        ("days=1", 1),
        ("days=30", 30),
        ("days=31", 30),
        ("days=0", 1),
        ("days=-5", 1),
        ("days=%2B3", 3),
        ("days=+3", 3),
        ("days=1_0", 10),
        ("days=%D9%A3", 3),  # int() reads any decimal digits
        ("days=3.9", 7),
        ("days=", 7),
        ("days", 7),
        ("days=abc", 7),
        ("days=%ff", 7),
        ("days=%00", 7),
        ("days=" + "9" * 5000, 7),  # longer than int() converts
        ("days=" + "9" * 4000, 30),
        ("days=2&days=5", 2),
        ("days=x&days=5", 7),
        ("Days=5", 7),
        ("a=b&&days=5&c", 5),
        ("a;days=5", 7),
    ],
)
def test_days_are_converted_as_by_int_and_clamped(query: str, days: int) -> None:
    assert requested_days(query) == days


async def test_the_response_names_its_window() -> None:
    assert json.loads((await ask(Store({}), "days=99")).body)["days"] == 30


async def test_rows_past_the_retention_are_never_read() -> None:
    store = Store({})
    await ask(store, "days=30", retention_days=5)
    assert store.asked[0][1] == NOW_MS - 5 * DAY_MS


async def test_the_window_before_is_beside_the_window_in_registry_order() -> None:
    store = Store({"suggestion_undo": 1, "retired_event": 9, "suggestion_shown": 2})
    response = await ask(store, "days=3&compare=previous")
    assert response.body == (
        b'{"ok":true,"days":3,"counts":{"suggestion_shown":2,"suggestion_undo":1},'
        b'"previous":{"counts":{"suggestion_shown":20,"suggestion_undo":10}}}'
    )
    assert store.asked_windows == [("42", NOW_MS - 6 * DAY_MS, NOW_MS - 3 * DAY_MS, 2.5)]
    assert store.asked == [], "both windows are of one query"


@pytest.mark.parametrize(
    "query",
    [
        "compare=",
        "compare",
        "compare=Previous",
        "compare=previous%20",
        "compare=next&compare=previous",
        "Compare=previous",
    ],
)
async def test_another_word_to_compare_with_is_ignored(query: str) -> None:
    store = Store({"suggestion_shown": 2})
    response = await ask(store, f"days=30&{query}")
    assert json.loads(response.body) == {"ok": True, "days": 30, "counts": {"suggestion_shown": 2}}
    assert store.asked_windows == []


@pytest.mark.parametrize(
    ("query", "retention_days", "is_valid"),
    [
        ("days=15", 30, True),
        ("days=16", 30, False),
        ("", 14, True),
        ("", 13, False),
        ("days=30", 60, True),
        ("days=99", 60, True),  # they are 30
        ("days=99", 59, False),
        ("days=1", 1, False),
    ],
)
async def test_both_windows_must_be_within_the_retention(query: str, retention_days: int, is_valid: bool) -> None:
    store = Store({})
    asking = ask(store, f"{query}&compare=previous", retention_days=retention_days)
    if is_valid:
        assert (await asking).status == 200
        return
    with pytest.raises(ApiError) as raised:
        await asking
    assert raised.value.code is ErrorCode.invalid_window
    assert store.asked_windows == []


@pytest.mark.parametrize("query", ["", "compare=previous"])
@pytest.mark.parametrize("error", [StoreUnavailable(), StoreMissing()])
async def test_an_unavailable_store_is_503_and_never_an_empty_response(error: Exception, query: str) -> None:
    with pytest.raises(ApiError) as raised:
        await ask(Store(error), query)
    assert raised.value.code is ErrorCode.unavailable


async def test_a_store_that_refuses_is_a_defect_and_its_number_is_logged() -> None:
    with pytest.raises(StoreRefused), capture_logs() as logged:
        await ask(Store(StoreRefused(47, remedy="UNKNOWN_IDENTIFIER")))
    assert logged == [
        {"event": "read_failed", "log_level": "error", "reason": "refused", "code": 47, "remedy": "UNKNOWN_IDENTIFIER"}
    ]


@pytest.mark.parametrize("query", ["", "compare=previous"])
async def test_responses_are_conditional(query: str) -> None:
    store = Store({"suggestion_shown": 1})
    fresh = await ask(store, query)
    again = await ask(store, query, if_none_match=header(fresh, "ETag"))
    assert (fresh.status, again.status) == (200, 304)
    other = await ask(store, "" if query else "compare=previous", if_none_match=header(fresh, "ETag"))
    assert other.status == 200


def test_the_summary_its_alias_and_the_series_are_reads() -> None:
    routes = summary_routes(SummaryHandlers(Store({}), REGISTRY, retention_days=30, wall_clock_ms=lambda: NOW_MS))
    assert [(route.method, route.path, route.name, route.access) for route in routes] == [
        ("GET", "/api/telemetry/summary", "summary", RouteAccess.READ),
        ("GET", "/api/telemetry", "summary", RouteAccess.READ),
        ("GET", "/api/telemetry/series", "series", RouteAccess.READ),
    ]
