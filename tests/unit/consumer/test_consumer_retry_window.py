from __future__ import annotations

import random
import tracemalloc

from siddes_telemetry.consumer.retry_window import WINDOW_MS, Occurrence, RetryWindow
from tests.fakes.consumption import NOON_MS, key

A, B, C = key(1), key(2), key(3)
TEN_MINUTES_MS = 600_000


def at(after_ms: int, *keys: bytes) -> Occurrence:
    return Occurrence(NOON_MS + after_ms, keys)


def test_a_key_is_a_repeat_for_ten_minutes_inclusive() -> None:
    assert WINDOW_MS == TEN_MINUTES_MS
    assert RetryWindow().repeats([at(0, A), at(TEN_MINUTES_MS, A)]) == [[False], [True]]
    assert RetryWindow().repeats([at(0, A), at(TEN_MINUTES_MS + 1, A)]) == [[False], [False]]


def test_a_key_is_a_repeat_earlier_in_the_same_record() -> None:
    assert RetryWindow().repeats([at(0, A, B, A)]) == [[False, False, True]]


def test_a_dropped_batch_occurred_too() -> None:
    tries = [at(0, A), at(TEN_MINUTES_MS, A), at(2 * TEN_MINUTES_MS, A)]

    assert RetryWindow().repeats(tries) == [[False], [True], [True]]


def test_a_clock_that_goes_back_forgets_nothing_and_makes_nothing_younger() -> None:
    forth_and_back = [at(TEN_MINUTES_MS, A), at(0, B), at(TEN_MINUTES_MS + 1, C), at(2 * TEN_MINUTES_MS, A, B)]

    assert RetryWindow().repeats(forth_and_back) == [[False], [False], [False], [True, True]]


def test_a_clock_that_leapt_ahead_ends_the_window_for_what_came_before() -> None:
    assert RetryWindow().repeats([at(0, A), at(TEN_MINUTES_MS + 1, B), at(1, A)]) == [[False], [False], [False]]


def test_asking_changes_nothing_until_the_block_is_entered() -> None:
    window = RetryWindow()

    assert window.repeats([at(0, A)]) == [[False]]
    assert window.repeats([at(0, A)]) == [[False]]
    window.advance([at(0, A)], 1)
    assert window.repeats([at(1, A)]) == [[True]]
    assert (window.offset, len(window)) == (1, 1)


def test_the_cap_is_the_last_keys_in_log_order() -> None:
    assert RetryWindow(max_keys=2).repeats([at(0, A, B, A)]) == [[False, False, True]]
    assert RetryWindow(max_keys=2).repeats([at(0, A, B, C, A)]) == [[False, False, False, False]]


def test_what_the_cap_pushes_out_is_counted_and_what_time_ends_is_not() -> None:
    window = RetryWindow(max_keys=2)
    window.advance([at(0, A, B, C)], 1)
    assert (window.evicted, len(window)) == (1, 2)

    window.advance([at(TEN_MINUTES_MS + 1)], 2)
    assert (window.evicted, len(window)) == (1, 0)


def test_memory_is_bounded_by_the_cap_and_by_time() -> None:
    window = RetryWindow(max_keys=10)
    for n in range(1000):
        window.advance([at(n, key(n + 1))], n + 1)
    assert len(window) == 10

    window = RetryWindow()
    for n in range(100):
        window.advance([at(n * TEN_MINUTES_MS // 4, key(n + 1))], n + 1)
    assert len(window) == 5


def test_a_key_costs_no_more_than_the_operations_page_says() -> None:
    rng = random.Random(1)
    window = RetryWindow(max_keys=20_000)
    tracemalloc.start()
    for n in range(100_000):
        window.advance([at(n, rng.randbytes(16))], n + 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(window) == 20_000
    assert peak / len(window) < 300
