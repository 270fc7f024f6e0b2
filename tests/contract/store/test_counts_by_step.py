"""CountReader.counts_by_step: the sums of `counts`, by UTC day or hour."""

from __future__ import annotations

from collections import Counter

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, NOON_MS, row

HOUR_MS = DAY_MS // 24
MIDNIGHT_MS = NOON_MS - DAY_MS // 2
STEPS = pytest.mark.parametrize("step_ms", [DAY_MS, HOUR_MS], ids=["day", "hour"])


async def by_step(
    backend: StoreUnderTest, step_ms: int, *, viewer: str = "42", since_ms: int = 0
) -> dict[int, dict[str, int]]:
    found = await backend.store.counts_by_step(viewer, since_ms=since_ms, step_ms=step_ms, deadline_s=DEADLINE_S)
    return {start: dict(counts) for start, counts in found.items()}


@STEPS
async def test_a_step_begins_with_its_first_millisecond_and_ends_before_the_next(
    backend: StoreUnderTest, step_ms: int
) -> None:
    rows = row(0, at_ms=MIDNIGHT_MS - 1, count=1) + row(1, at_ms=MIDNIGHT_MS, count=2)
    rows += row(2, at_ms=MIDNIGHT_MS + step_ms - 1, count=4) + row(3, at_ms=MIDNIGHT_MS + step_ms, count=8)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await by_step(backend, step_ms) == {
        MIDNIGHT_MS - step_ms: {"suggestion_shown": 1},
        MIDNIGHT_MS: {"suggestion_shown": 6},
        MIDNIGHT_MS + step_ms: {"suggestion_shown": 8},
    }


@STEPS
async def test_a_step_has_sums_of_events_that_occurred_only(backend: StoreUnderTest, step_ms: int) -> None:
    rows = row(0, count=25_000) + row(1, count=25_000) + row(2, event="suggestion_undo", count=3)
    rows += row(3, at_ms=NOON_MS - 3 * DAY_MS, event="suggestion_edited", count=5)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    held_ms = NOON_MS // step_ms * step_ms
    assert await by_step(backend, step_ms) == {
        held_ms: {"suggestion_shown": 50_000, "suggestion_undo": 3},
        held_ms - 3 * DAY_MS: {"suggestion_edited": 5},
    }


@STEPS
async def test_a_window_that_begins_within_a_step_includes_the_rest_of_it(
    backend: StoreUnderTest, step_ms: int
) -> None:
    since_ms = MIDNIGHT_MS + step_ms // 2
    rows = row(0, at_ms=since_ms - 1, count=1) + row(1, at_ms=since_ms, count=2) + row(2, at_ms=since_ms + 1, count=4)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await by_step(backend, step_ms, since_ms=since_ms) == {MIDNIGHT_MS: {"suggestion_shown": 6}}


@STEPS
async def test_a_step_has_no_other_viewers_counts(backend: StoreUnderTest, step_ms: int) -> None:
    rows = row(0, viewer="42", count=1) + row(1, viewer="421", count=2) + row(2, viewer="4", count=4)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert list((await by_step(backend, step_ms)).values()) == [{"suggestion_shown": 1}]
    for nobody in ("nobody", "42' OR 1=1 --", "", "{x:String}"):
        assert await by_step(backend, step_ms, viewer=nobody) == {}


@STEPS
async def test_all_steps_together_are_the_summary(backend: StoreUnderTest, step_ms: int) -> None:
    events = ("suggestion_shown", "suggestion_accepted", "suggestion_undo")
    rows = b"".join(
        row(number, event=events[number % 3], count=number + 1, at_ms=NOON_MS - number * 17 * HOUR_MS // 3)
        for number in range(100)
    )
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    since_ms = NOON_MS - 11 * DAY_MS - 1234
    steps = await by_step(backend, step_ms, since_ms=since_ms)
    assert len(steps) > 10
    assert all(start % step_ms == 0 for start in steps)
    sums = sum((Counter(counts) for counts in steps.values()), Counter())
    assert sums == await backend.store.counts("42", since_ms=since_ms, deadline_s=DEADLINE_S)


async def test_steps_past_the_deadline_are_an_outage_and_not_empty(backend: StoreUnderTest) -> None:
    with pytest.raises(StoreUnavailable):
        await backend.store.counts_by_step("42", since_ms=0, step_ms=DAY_MS, deadline_s=0)
