"""CountReader.counts_by_window: the sums of `counts`, by windows that share no row and miss none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.store import MAX_WINDOWS
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, NOON_MS, row

HOUR_MS = DAY_MS // 24


async def by_window(backend: StoreUnderTest, starts_ms: Sequence[int], *, viewer: str = "42") -> list[dict[str, int]]:
    found = await backend.store.counts_by_window(viewer, starts_ms=starts_ms, deadline_s=DEADLINE_S)
    return [dict(counts) for counts in found]


async def test_a_window_begins_with_its_first_millisecond_and_ends_before_the_next(backend: StoreUnderTest) -> None:
    split_ms = NOON_MS - 12_345_678
    since_ms = split_ms - 2 * DAY_MS
    ages = [since_ms - 1, since_ms, split_ms - 1, split_ms, split_ms + 1, NOON_MS + DAY_MS]
    rows = b"".join(row(number, at_ms=at_ms, count=2**number) for number, at_ms in enumerate(ages))
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await by_window(backend, [since_ms, split_ms]) == [{"suggestion_shown": 6}, {"suggestion_shown": 56}]
    assert await by_window(backend, [split_ms]) == [{"suggestion_shown": 56}]


async def test_windows_of_any_length_together_are_the_summary(backend: StoreUnderTest) -> None:
    events = ("suggestion_shown", "suggestion_accepted", "suggestion_undo")
    rows = b"".join(
        row(number, event=events[number % 3], count=number + 1, at_ms=NOON_MS - number * 17 * HOUR_MS // 3)
        for number in range(100)
    )
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    since_ms = NOON_MS - 21 * DAY_MS - 1234
    starts_ms = [since_ms + number * (number + 1) // 2 * HOUR_MS // 4 for number in range(MAX_WINDOWS)]
    windows = await by_window(backend, starts_ms)
    assert len(windows) == MAX_WINDOWS
    assert {} in windows
    sums = sum((Counter(counts) for counts in windows), Counter())
    assert sums == await backend.store.counts("42", since_ms=since_ms, deadline_s=DEADLINE_S)
    for number in range(0, MAX_WINDOWS - 1, 9):  # some of them, as the difference of two sums
        from_here = Counter(await backend.store.counts("42", since_ms=starts_ms[number], deadline_s=DEADLINE_S))
        from_there = await backend.store.counts("42", since_ms=starts_ms[number + 1], deadline_s=DEADLINE_S)
        from_here.subtract(from_there)
        assert windows[number] == +from_here


async def test_a_window_has_no_other_viewers_counts(backend: StoreUnderTest) -> None:
    rows = row(0, viewer="42", count=1) + row(1, viewer="421", count=2) + row(2, viewer="4", count=4)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await by_window(backend, [0, NOON_MS]) == [{}, {"suggestion_shown": 1}]
    for nobody in ("nobody", "42' OR 1=1 --", "", "{x:String}"):
        assert await by_window(backend, [0, NOON_MS], viewer=nobody) == [{}, {}]


async def test_windows_past_the_deadline_are_an_outage_and_not_empty(backend: StoreUnderTest) -> None:
    with pytest.raises(StoreUnavailable):
        await backend.store.counts_by_window("42", starts_ms=[0], deadline_s=0)
