from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.errors import ApiError
from siddes_telemetry.web.rate_limit import RateLimiter

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 5 * SECOND

    def __call__(self) -> int:
        return self.now_ns


def wait_s(limiter: RateLimiter, viewer: str) -> int:
    """0 where a request passes, else its Retry-After."""
    try:
        limiter.take(viewer)
    except ApiError as refused:
        return refused.retry_after_s or 0
    return 0


def passed(limiter: RateLimiter, viewer: str, tries: int) -> int:
    return sum(wait_s(limiter, viewer) == 0 for _ in range(tries))


def test_a_burst_is_exactly_twice_the_rate() -> None:
    for rate in (1, 3, 7, 100, 333):
        assert passed(RateLimiter(rate, clock_ns=Clock()), "a", 5 * rate) == 2 * rate


def test_after_a_burst_the_rate_is_what_passes() -> None:
    clock = Clock()
    limiter = RateLimiter(100, clock_ns=clock)
    passed(limiter, "a", 1000)
    for _ in range(5):
        clock.now_ns += SECOND
        assert passed(limiter, "a", 1000) == 100


def test_a_long_silence_fills_the_bucket_no_further() -> None:
    clock = Clock()
    limiter = RateLimiter(10, clock_ns=clock)
    passed(limiter, "a", 1)
    clock.now_ns += 3600 * SECOND
    assert passed(limiter, "a", 100) == 20


def test_viewers_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(1, clock_ns=Clock())
    assert passed(limiter, "a", 9) == 2
    assert passed(limiter, "b", 9) == 2


def test_zero_switches_it_off() -> None:
    assert passed(RateLimiter(0, clock_ns=Clock()), "a", 10_000) == 10_000


def test_a_rate_below_one_lets_one_pass_at_a_time() -> None:
    clock = Clock()
    limiter = RateLimiter(0.1, clock_ns=clock)
    assert passed(limiter, "a", 5) == 1
    assert wait_s(limiter, "a") == 10
    clock.now_ns += 10 * SECOND
    assert passed(limiter, "a", 5) == 1


@given(rate=st.floats(0.01, 10_000), gaps=st.lists(st.integers(0, 3 * SECOND), max_size=50))
def test_waiting_as_told_is_always_enough(rate: float, gaps: list[int]) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock_ns=clock)
    for gap in gaps:
        clock.now_ns += gap
        told_s = wait_s(limiter, "a")
        if told_s:
            assert told_s >= 1
            clock.now_ns += told_s * SECOND
            assert wait_s(limiter, "a") == 0


def test_the_viewer_not_seen_for_longest_is_forgotten_first() -> None:
    limiter = RateLimiter(1, clock_ns=Clock(), max_viewers=2)
    passed(limiter, "a", 2)
    passed(limiter, "b", 2)
    assert wait_s(limiter, "a") > 0  # refused, yet seen
    passed(limiter, "c", 2)  # b goes
    assert wait_s(limiter, "a") > 0
    assert wait_s(limiter, "b") == 0


def test_a_flood_of_viewers_is_bounded() -> None:
    limiter = RateLimiter(1, clock_ns=Clock(), max_viewers=1000)
    tracemalloc.start()
    try:
        for number in range(20_000):
            wait_s(limiter, f"viewer-{number}")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
