"""The series, whatever the rows and the clock: the summary's counts, each in the step that holds it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from siddes_telemetry.schemas.errors import ApiError
from siddes_telemetry.summary_api.routes import SummaryHandlers
from siddes_telemetry.summary_api.time_zones import time_zone, zone_names
from siddes_telemetry.web.routing import Request
from tests.fakes.memory_store import MemoryStore, StoredRow
from tests.unit.schemas.shipped import REGISTRY

DAY_MS = 24 * 3600 * 1000
NOWS_MS = st.integers(1_500_000_000_000, 4_000_000_000_000)
AGES_MS = st.integers(-2 * DAY_MS, 62 * DAY_MS) | st.sampled_from([0, DAY_MS, 7 * DAY_MS, 14 * DAY_MS, 30 * DAY_MS])
EVENTS = st.sampled_from([event.name for event in REGISTRY.events])
ROWS = st.lists(st.tuples(AGES_MS, EVENTS, st.integers(1, 50), st.sampled_from(["42", "43"])), max_size=30)
STEPS = {"day": timedelta(days=1), "hour": timedelta(hours=1)}
ZONES = st.sampled_from(sorted(zone_names()))
SECOND = timedelta(seconds=1)


def stored(rows: Iterable[tuple[int, str, int, str]], now_ms: int) -> MemoryStore:
    """A store that has these rows: ages, events, counts and viewers."""
    store = MemoryStore()
    store.rows = [
        StoredRow(viewer, event, count, now_ms - age_ms, 1, 0, offset)
        for offset, (age_ms, event, count, viewer) in enumerate(rows)
    ]
    return store


def answers(store: MemoryStore, query: str, now_ms: int, retention_days: int) -> tuple[dict[str, Any], list[Any]]:
    """What the summary and the series say at one moment."""
    summary = SummaryHandlers(store, REGISTRY, retention_days=retention_days, wall_clock_ms=lambda: now_ms)
    request = Request("42", query, None, b"")

    async def ask() -> tuple[bytes, bytes]:
        return (await summary.summary(request)).body, (await summary.series(request)).body

    counts, series = (json.loads(body) for body in asyncio.run(ask()))
    return counts, series["series"]


@given(NOWS_MS, ROWS, st.integers(1, 30), st.sampled_from(list(STEPS)), st.integers(1, 60))
def test_the_steps_are_the_window_and_their_sums_the_summary(
    now_ms: int, rows: list[tuple[int, str, int, str]], days: int, interval: str, retention_days: int
) -> None:
    store = stored(rows, now_ms)
    summary, series = answers(store, f"days={days}&interval={interval}", now_ms, retention_days)
    assert sum((Counter(step["counts"]) for step in series), Counter()) == summary["counts"]

    starts = [datetime.fromisoformat(step["start"]) for step in series]
    length = STEPS[interval]
    assert len(starts) == timedelta(days=days) // length + 1
    assert all(later - earlier == length for earlier, later in pairwise(starts))
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    assert starts[-1] <= now < starts[-1] + length
    assert (starts[-1].minute, starts[-1].second) == (0, 0)
    assert interval == "hour" or starts[-1].hour == 0

    read_ms = now_ms - min(days, retention_days) * DAY_MS
    by_step: dict[datetime, Counter[str]] = {start: Counter() for start in starts}
    for row in store.rows:
        if row.viewer_id == "42" and row.created_at_ms >= read_ms:
            held = datetime.fromtimestamp(row.created_at_ms // 1000, UTC).replace(minute=0, second=0)
            held = held if interval == "hour" else held.replace(hour=0)
            by_step[min(held, starts[-1])][row.event] += row.count
    assert [step["counts"] for step in series] == list(by_step.values())


@given(NOWS_MS, ROWS, st.integers(1, 30), ZONES, st.integers(1, 60))
@example(1_325_246_400_000, [(DAY_MS, "suggestion_shown", 3, "42")], 3, "Pacific/Apia", 30)  # 2011-12-30T12:00Z
@example(1_289_098_000_000, [(1000, "suggestion_shown", 3, "42")], 1, "America/St_Johns", 30)  # 2010-11-07T02:46Z
def test_the_days_of_a_zone_tile_the_window_and_their_sums_are_the_summary(
    now_ms: int, rows: list[tuple[int, str, int, str]], days: int, name: str, retention_days: int
) -> None:
    zone = time_zone(name)
    assert zone is not None
    store = stored(rows, now_ms)
    query = urlencode({"days": days, "tz": name})
    summary, series = answers(store, query, now_ms, retention_days)
    assert sum((Counter(step["counts"]) for step in series), Counter()) == summary["counts"]

    starts = [datetime.fromisoformat(step["start"]).astimezone(UTC) for step in series]
    since, now = (datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in (now_ms - days * DAY_MS, now_ms))
    assert starts == sorted(set(starts))
    assert starts[0] <= since
    assert len(starts) == 1 or since < starts[1]
    assert starts[-1] <= now
    assert days <= len(starts) <= days + 2
    for step, start in zip(series, starts, strict=True):  # each begins a day, and says so as clocks there do
        local = start.astimezone(zone)
        assert step["start"] == local.isoformat()
        assert (start - SECOND).astimezone(zone).date() < local.date()
    for start, later in pairwise(starts):  # and is one day, or ends with a repetition of its last hour
        assert timedelta(hours=20) < later - start < timedelta(hours=28)

    read_ms = now_ms - min(days, retention_days) * DAY_MS
    by_step: list[Counter[str]] = [Counter() for _ in starts]
    for row in store.rows:
        if row.viewer_id == "42" and row.created_at_ms >= read_ms:
            held = sum(start.timestamp() * 1000 <= row.created_at_ms for start in starts)
            by_step[held - 1][row.event] += row.count
    assert [step["counts"] for step in series] == by_step


@given(NOWS_MS, ROWS, st.integers(1, 30), st.integers(1, 120))
@example(
    1_790_000_000_000, [(7 * DAY_MS, "suggestion_shown", 1, "42"), (14 * DAY_MS, "suggestion_undo", 1, "42")], 7, 14
)
def test_the_previous_window_is_the_summary_of_then_and_the_window_that_of_now(
    now_ms: int, rows: list[tuple[int, str, int, str]], days: int, retention_days: int
) -> None:
    then_ms = now_ms - days * DAY_MS
    store = stored(rows, now_ms)
    handlers = SummaryHandlers(store, REGISTRY, retention_days=retention_days, wall_clock_ms=lambda: now_ms)
    request = Request("42", f"days={days}&compare=previous", None, b"")
    if 2 * days > retention_days:
        with pytest.raises(ApiError, match="invalid_window"):
            asyncio.run(handlers.summary(request))
        return
    compared = json.loads(asyncio.run(handlers.summary(request)).body)
    now, _ = answers(store, f"days={days}", now_ms, retention_days)
    assert compared["counts"] == now["counts"]
    store.rows = [row for row in store.rows if row.created_at_ms < then_ms]
    then, _ = answers(store, f"days={days}", then_ms, retention_days)
    assert compared["previous"]["counts"] == then["counts"]
