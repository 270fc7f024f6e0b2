"""The series: its query to the store, and its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from siddes_telemetry.backends.ports.errors import StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS
from siddes_telemetry.summary_api.routes import SummaryHandlers, requested_interval
from siddes_telemetry.web.routing import Request, Response
from tests.fakes.memory_store import MemoryStore
from tests.unit.schemas.shipped import REGISTRY

Found = Mapping[int, Mapping[str, int]]


def at(text: str) -> int:
    """Epoch milliseconds of a UTC time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW_MS = at("2026-11-23T10:20:30.400")
TODAY_MS = at("2026-11-23")


class Store(MemoryStore):
    """A store that returns the given counts and records its queries."""

    def __init__(self, found: Found | Exception) -> None:
        super().__init__()
        self.answer = found
        self.asked: list[tuple[str, int, int, float]] = []
        self.asked_windows: list[tuple[str, list[int], float]] = []

    async def counts_by_step(self, viewer_id: str, *, since_ms: int, step_ms: int, deadline_s: float) -> Found:
        self.asked.append((viewer_id, since_ms, step_ms, deadline_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def counts_by_window(
        self, viewer_id: str, *, starts_ms: Sequence[int], deadline_s: float
    ) -> Sequence[Mapping[str, int]]:
        """The given counts of each start."""
        self.asked_windows.append((viewer_id, list(starts_ms), deadline_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer.get(start, {}) for start in starts_ms]


async def ask(
    store: Store,
    query: str = "",
    *,
    viewer: str = "42",
    if_none_match: str | None = None,
    now_ms: int = NOW_MS,
    retention_days: int = 30,
) -> Response:
    summary = SummaryHandlers(
        store, REGISTRY, retention_days=retention_days, wall_clock_ms=lambda: now_ms, deadline_s=2.5
    )
    return await summary.series(Request(viewer, query, if_none_match, b""))


async def steps(found: Found, query: str = "", *, now_ms: int = NOW_MS) -> dict[str, Any]:
    """The counts by the start of their step, in the order of the response."""
    answer = json.loads((await ask(Store(found), query, now_ms=now_ms)).body)
    return {step["start"]: step["counts"] for step in answer["series"]}


async def test_a_day_back_is_two_days_of_the_calendar_and_counts_come_in_registry_order() -> None:
    response = await ask(
        Store({TODAY_MS: {"suggestion_undo": 1, "retired_event": 9, "suggestion_shown": 12}}), "days=1"
    )
    assert response.status == 200
    assert response.body == (
        b'{"ok":true,"days":1,"interval":"day","series":[{"start":"2026-11-22T00:00:00Z","counts":{}},'
        b'{"start":"2026-11-23T00:00:00Z","counts":{"suggestion_shown":12,"suggestion_undo":1}}]}'
    )


@pytest.mark.parametrize(
    ("query", "number", "first", "last"),
    [
        ("", 8, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("days=30", 31, "2026-10-24T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("days=1&interval=hour", 25, "2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("days=30&interval=hour", 721, "2026-10-24T10:00:00Z", "2026-11-23T10:00:00Z"),
    ],
)
async def test_every_step_of_the_window_is_there(query: str, number: int, first: str, last: str) -> None:
    starts = list(await steps({}, query))
    assert (len(starts), starts[0], starts[-1]) == (number, first, last)
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-22T23:59:59.999", "2026-11-22T00:00:00Z"),
        ("2026-11-23T00:00:00.000", "2026-11-23T00:00:00Z"),
        ("2028-02-29T12:00:00.000", "2028-02-29T00:00:00Z"),
        ("2026-03-29T01:30:00.000", "2026-03-29T00:00:00Z"),  # when clocks of Europe are put forward
    ],
)
async def test_a_day_begins_at_midnight_utc(now: str, last: str) -> None:
    starts = list(await steps({}, now_ms=at(now)))
    assert (len(starts), starts[-1]) == (8, last)


async def test_counts_dated_ahead_of_now_are_in_the_last_step() -> None:
    ahead = {TODAY_MS + days * DAY_MS: {"suggestion_shown": 10**days} for days in range(3)}
    assert (await steps(ahead))["2026-11-23T00:00:00Z"] == {"suggestion_shown": 111}


async def test_a_day_of_a_zone_begins_at_its_midnight_with_the_offset_of_then() -> None:
    found = await steps({}, "days=2&tz=Europe/Berlin", now_ms=at("2024-10-28T12:00"))
    assert list(found) == ["2024-10-26T00:00:00+02:00", "2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"]
    assert list(await steps({}, "days=1&tz=UTC")) == ["2026-11-22T00:00:00+00:00", "2026-11-23T00:00:00+00:00"]
    assert list(await steps({}, "days=1&tz=Asia/Kathmandu")) == [
        "2026-11-22T00:00:00+05:45",
        "2026-11-23T00:00:00+05:45",
    ]


async def test_the_days_of_a_zone_are_one_query_that_begins_with_the_window() -> None:
    begins_ms = NOW_MS - 2 * DAY_MS
    midnights_ms = [TODAY_MS - HOUR_MS - DAY_MS, TODAY_MS - HOUR_MS]
    store = Store({begins_ms: {"suggestion_shown": 1}, midnights_ms[1]: {"suggestion_undo": 3, "suggestion_shown": 2}})
    response = await ask(store, "viewer_id=7&days=2&tz=Europe/Berlin")
    assert store.asked_windows == [("42", [begins_ms, *midnights_ms], 2.5)]
    assert response.body == (
        b'{"ok":true,"days":2,"interval":"day","series":['
        b'{"start":"2026-11-21T00:00:00+01:00","counts":{"suggestion_shown":1}},'
        b'{"start":"2026-11-22T00:00:00+01:00","counts":{}},'
        b'{"start":"2026-11-23T00:00:00+01:00","counts":{"suggestion_shown":2,"suggestion_undo":3}}]}'
    )


async def test_a_window_that_begins_at_midnight_has_no_empty_window_before_it() -> None:
    store = Store({})
    await ask(store, "days=1&tz=Europe/Berlin", now_ms=at("2026-11-22T23:00"))
    assert store.asked_windows[0][1] == [at("2026-11-21T23:00"), at("2026-11-22T23:00")]


async def test_days_of_a_zone_before_the_retention_are_empty_and_not_read() -> None:
    read_ms = NOW_MS - 2 * DAY_MS
    store = Store({read_ms: {"suggestion_shown": 1}})
    response = await ask(store, "days=5&tz=Europe/Berlin", retention_days=2)
    assert store.asked_windows[0][1][0] == read_ms
    assert [len(step["counts"]) for step in json.loads(response.body)["series"]] == [0, 0, 0, 1, 0, 0]


async def test_hours_are_of_utc_in_every_zone_that_exists() -> None:
    store = Store({})
    plain = await ask(store, "days=1&interval=hour")
    assert (await ask(store, "days=1&interval=hour&tz=Asia/Kathmandu")).body == plain.body
    assert store.asked_windows == []
    for interval in ("hour", "day"):
        with pytest.raises(ApiError) as raised:
            await ask(store, f"interval={interval}&tz=Mars/Olympus")
        assert raised.value.code is ErrorCode.invalid_zone
    assert len(store.asked) == 2


async def test_only_the_viewers_own_counts_are_queried_from_the_millisecond_on() -> None:
    store = Store({})
    await ask(store, "viewer_id=7&days=3&interval=hour", viewer="42")
    await ask(store, "days=3", viewer="42")
    since_ms = NOW_MS - 3 * DAY_MS
    assert store.asked == [("42", since_ms, HOUR_MS, 2.5), ("42", since_ms, DAY_MS, 2.5)]


async def test_rows_past_the_retention_are_never_read_and_their_steps_are_empty() -> None:
    store = Store({TODAY_MS: {"suggestion_shown": 1}})
    response = await ask(store, "days=30", retention_days=5)
    assert store.asked[0][1] == NOW_MS - 5 * DAY_MS
    answer = json.loads(response.body)
    assert (answer["days"], len(answer["series"])) == (30, 31)


@pytest.mark.parametrize(
    ("query", "interval"),
    [
        ("", "day"),
        ("interval=day", "day"),
        ("interval=hour", "hour"),
        ("interval=%68our", "hour"),
        ("interval=Hour", "day"),
        ("interval=hour%20", "day"),
        ("interval=", "day"),
        ("interval", "day"),
        ("interval=minute", "day"),
        ("interval=%ff", "day"),
        ("interval=day&interval=hour", "day"),
        ("interval=hour&interval=day", "hour"),
        ("Interval=hour", "day"),
        ("days=3&interval=hour&c", "hour"),
    ],
)
def test_an_interval_is_a_day_unless_the_first_is_the_word_hour(query: str, interval: str) -> None:
    assert requested_interval(query) == interval


async def test_the_response_names_its_window() -> None:
    answer = json.loads((await ask(Store({}), "days=99&interval=hour")).body)
    assert (answer["days"], answer["interval"]) == (30, "hour")


@pytest.mark.parametrize("query", ["", "tz=Europe/Berlin"])
@pytest.mark.parametrize("error", [StoreUnavailable(), StoreMissing()])
async def test_an_unavailable_store_is_503_and_never_an_empty_response(error: Exception, query: str) -> None:
    with pytest.raises(ApiError) as raised:
        await ask(Store(error), query)
    assert raised.value.code is ErrorCode.unavailable


async def test_a_store_that_refuses_is_a_defect() -> None:
    with pytest.raises(StoreRefused):
        await ask(Store(StoreRefused(47)))


async def test_an_unchanged_response_is_304_and_a_new_day_changes_it() -> None:
    store = Store({TODAY_MS: {"suggestion_shown": 1}})
    fresh = await ask(store)
    headers = dict(fresh.headers)
    assert (headers["Cache-Control"], headers["Vary"]) == ("private, no-cache", "Authorization, Cookie")
    again = await ask(store, if_none_match=headers["ETag"], now_ms=NOW_MS + HOUR_MS)
    assert (again.status, again.body, again.headers) == (304, b"", fresh.headers)
    assert (await ask(store, if_none_match=headers["ETag"], now_ms=NOW_MS + DAY_MS)).status == 200
    assert (await ask(store, if_none_match=headers["ETag"], viewer="43")).status == 200
