"""The series, whatever the rows and the clock: the summary's counts, each in the step that holds it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.summary_api.routes import SummaryHandlers
from siddes_telemetry.web.routing import Request
from tests.fakes.memory_store import MemoryStore, StoredRow
from tests.unit.schemas.shipped import REGISTRY

DAY_MS = 24 * 3600 * 1000
NOWS_MS = st.integers(1_500_000_000_000, 4_000_000_000_000)
AGES_MS = st.integers(-2 * DAY_MS, 32 * DAY_MS) | st.sampled_from([0, DAY_MS, 7 * DAY_MS, 30 * DAY_MS])
EVENTS = st.sampled_from([event.name for event in REGISTRY.events])
ROWS = st.lists(st.tuples(AGES_MS, EVENTS, st.integers(1, 50), st.sampled_from(["42", "43"])), max_size=30)
STEPS = {"day": timedelta(days=1), "hour": timedelta(hours=1)}


def both(store: MemoryStore, query: str, now_ms: int, retention_days: int) -> tuple[dict[str, int], list[Any]]:
    """What the summary and the series say at one moment."""
    summary = SummaryHandlers(store, REGISTRY, retention_days=retention_days, wall_clock_ms=lambda: now_ms)
    request = Request("42", query, None, b"")

    async def answers() -> tuple[bytes, bytes]:
        return (await summary.summary(request)).body, (await summary.series(request)).body

    counts, series = (json.loads(body) for body in asyncio.run(answers()))
    return counts["counts"], series["series"]


@given(NOWS_MS, ROWS, st.integers(1, 30), st.sampled_from(list(STEPS)), st.integers(1, 60))
def test_the_steps_are_the_window_and_their_sums_the_summary(
    now_ms: int, rows: list[tuple[int, str, int, str]], days: int, interval: str, retention_days: int
) -> None:
    store = MemoryStore()
    store.rows = [
        StoredRow(viewer, event, count, now_ms - age_ms, 1, 0, offset)
        for offset, (age_ms, event, count, viewer) in enumerate(rows)
    ]
    counts, series = both(store, f"days={days}&interval={interval}", now_ms, retention_days)
    assert sum((Counter(step["counts"]) for step in series), Counter()) == counts

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
