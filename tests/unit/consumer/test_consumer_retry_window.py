from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence

import pytest

from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow
from tests.fakes.consumer_process import NOON_MS, key

A, B, C = key(1), key(2), key(3)
TEN_MINUTES_MS = 600_000
DAY_MS = 86_400_000


def at(after_ms: int, *keys: bytes) -> WindowEntry:
    return WindowEntry(NOON_MS + after_ms, keys)


def minutes(first: int, last: int) -> list[WindowEntry]:
    """A record without keys in each of these minutes."""
    return [at(60_000 * minute) for minute in range(first, last + 1)]


def by_max_time(entries: Sequence[WindowEntry]) -> list[WindowEntry]:
    """The same records, written in format 1."""
    return [each._replace(by_max_time=True) for each in entries]


def repeats(entries: Sequence[WindowEntry]) -> list[list[bool]]:
    """The repeats that a new window finds, by record with keys."""
    answers = RetryWindow().find_repeats(entries)
    return [answer for answer in answers if answer]


def test_a_key_is_a_repeat_for_ten_minutes_inclusive() -> None:
    assert WINDOW_MS == TEN_MINUTES_MS
    assert repeats([at(0, A), *minutes(1, 9), at(TEN_MINUTES_MS, A)]) == [[False], [True]]
    assert repeats([at(0, A), *minutes(1, 10), at(TEN_MINUTES_MS + 1, A)]) == [[False], [False]]


def test_between_two_records_a_minute_passes_at_most() -> None:
    hourly = [at(60 * 60_000 * hour) for hour in range(1, 10)]

    assert repeats([at(0, A), *hourly, at(DAY_MS, A)]) == [[False], [True]]
    assert repeats([at(0, A), *hourly, at(DAY_MS), at(2 * DAY_MS, A)]) == [[False], [False]]


def test_a_key_is_a_repeat_earlier_in_the_same_record() -> None:
    assert RetryWindow().find_repeats([at(0, A, B, A)]) == [[False, False, True]]


def test_a_dropped_batch_occurred_too() -> None:
    tries = [at(0, A), *minutes(1, 9), at(TEN_MINUTES_MS, A), *minutes(11, 19), at(2 * TEN_MINUTES_MS, A)]

    assert repeats(tries) == [[False], [True], [True]]


@pytest.mark.parametrize("leap_ms", [TEN_MINUTES_MS + 1, 3 * DAY_MS])
def test_a_record_from_the_future_empties_nothing_and_freezes_nothing(leap_ms: int) -> None:
    assert repeats([at(0, A), at(leap_ms), at(1, A)]) == [[False], [True]]
    assert repeats([at(0, A), at(leap_ms, B), *minutes(1, 11), at(12 * 60_000, A, B)]) == [
        [False],
        [False],
        [False] * 2,
    ]


@pytest.mark.parametrize("leap_ms", [TEN_MINUTES_MS + 1, 3 * DAY_MS])
def test_a_clock_that_goes_back_forgets_nothing_and_goes_on_from_there(leap_ms: int) -> None:
    before = [at(leap_ms, A), at(0, B)]

    assert repeats([*before, *minutes(1, 10), at(TEN_MINUTES_MS, A, B)]) == [[False], [False], [True, True]]
    assert repeats([*before, *minutes(1, 10), at(TEN_MINUTES_MS + 1, A, B)]) == [[False], [False], [False, False]]


def test_records_of_format_1_go_by_the_running_maximum() -> None:
    leap_and_back = [at(0, A), at(TEN_MINUTES_MS + 1, B), at(1, A, B)]
    later = [at(TEN_MINUTES_MS, A), at(0, B), at(2 * TEN_MINUTES_MS, A, B)]

    assert repeats(by_max_time(leap_and_back)) == [[False], [False], [False, True]]
    assert repeats(by_max_time([at(0, A), at(TEN_MINUTES_MS, A)])) == [[False], [True]]
    assert repeats(by_max_time([at(0, A), at(TEN_MINUTES_MS + 1, A)])) == [[False], [False]]
    assert repeats(by_max_time(later)) == [[False], [False], [True, True]]


def test_the_record_that_asks_says_by_which_clock() -> None:
    """Every record advances both clocks, and its keys are known by both."""
    window = RetryWindow()
    window.advance([*by_max_time([at(0, A)]), at(TEN_MINUTES_MS + 1)], 2)
    again = at(TEN_MINUTES_MS + 1, A)

    assert window.find_repeats([again]) == [[True]]
    assert window.find_repeats(by_max_time([again])) == [[False]]


def test_asking_changes_nothing_until_the_block_is_entered() -> None:
    window = RetryWindow()

    assert window.find_repeats([at(0, A)]) == [[False]]
    assert window.find_repeats([at(0, A)]) == [[False]]
    window.advance([at(0, A)], 1)
    assert window.find_repeats([at(1, A)]) == [[True]]
    assert (window.offset, len(window)) == (1, 1)


def test_the_cap_is_the_last_keys_in_log_order() -> None:
    assert RetryWindow(max_keys=2).find_repeats([at(0, A, B, A)]) == [[False, False, True]]
    assert RetryWindow(max_keys=2).find_repeats([at(0, A, B, C, A)]) == [[False, False, False, False]]


def test_what_the_cap_pushes_out_is_counted_and_what_time_ends_is_not() -> None:
    window = RetryWindow(max_keys=2)
    window.advance([at(0, A, B, C)], 1)
    assert (window.evicted, len(window)) == (1, 2)

    window.advance([*minutes(1, 10), at(TEN_MINUTES_MS + 1)], 2)
    assert (window.evicted, len(window)) == (1, 0)


def test_memory_is_bounded_by_the_cap_and_by_time() -> None:
    window = RetryWindow(max_keys=10)
    for n in range(1000):
        window.advance([at(n, key(n + 1))], n + 1)
    assert len(window) == 10

    window = RetryWindow()
    for n in range(100):
        window.advance([at(n * 60_000, key(n + 1))], n + 1)
    assert len(window) == 11


@pytest.mark.parametrize("by_max_time", [True, False])
def test_after_many_keys_came_and_went_the_last_ten_minutes_are_known(by_max_time: bool) -> None:
    """Evicted places are compacted now and then."""
    window = RetryWindow()
    for n in range(10_000):
        window.advance([at(400 * n, key(n))], n + 1)
    last = at(400 * 9_999, *(key(n) for n in range(10_000)))._replace(by_max_time=by_max_time)

    assert window.find_repeats([last]) == [[n >= 9_999 - 1_500 for n in range(10_000)]]


def test_a_key_costs_no_more_than_the_operations_page_says() -> None:
    rng = random.Random(1)
    window = RetryWindow(max_keys=20_000)
    tracemalloc.start()
    for n in range(100_000):
        window.advance([at(n, rng.randbytes(16))], n + 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(window) == 20_000
    print(f"{peak / len(window):.0f} bytes a key at most")
    assert peak / len(window) < 300
