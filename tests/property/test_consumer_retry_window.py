"""Which retries are dropped is a function of the log alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.consumer.retry_window import WINDOW_MS, Occurrence, RetryWindow
from tests.fakes.consumption import NOON_MS, key

Log = list[Occurrence]  # its places are its offsets

STEPS_MS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([WINDOW_MS // 3, -WINDOW_MS // 3, WINDOW_MS - 1, WINDOW_MS, WINDOW_MS + 1, -WINDOW_MS - 1]),
)
RECORDS = st.tuples(STEPS_MS, st.lists(st.integers(1, 5).map(key), max_size=4))
CAPS = st.integers(1, 8)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Records whose append times go forth and back."""
    log: Log = []
    at_ms = NOON_MS
    for step_ms, keys in draw(st.lists(RECORDS, min_size=1, max_size=20)):
        at_ms += step_ms
        log.append(Occurrence(at_ms, keys))
    return log


def stated(log: Log, cap: int) -> list[list[bool]]:
    """The rule as it is stated, the slow way."""
    occurred: list[tuple[bytes, int]] = []  # key and clock, in log order
    answers, clock_ms = [], 0
    for record in log:
        clock_ms = max(clock_ms, record.appended_at_ms)
        answer = []
        for each in record.keys:
            last = occurred[-cap:]
            answer.append(any(key == each and clock_ms - at_ms <= WINDOW_MS for key, at_ms in last))
            occurred.append((each, clock_ms))
        answers.append(answer)
    return answers


def decide(window: RetryWindow, log: Log, cuts: Sequence[int]) -> list[list[bool]]:
    """What blocks cut at these offsets decide, from where the window stands."""
    places = sorted({window.offset, len(log), *(c for c in cuts if window.offset < c < len(log))})
    answers = []
    for start, end in pairwise(places):
        answers += window.repeats(log[start:end])
        window.advance(log[start:end], end)
    return answers


def read_back(window: RetryWindow, log: Log, start: int, cuts: Sequence[int]) -> None:
    """Bring the window to `start` with no more than a consumer reads."""
    horizon_ms = log[start].appended_at_ms - WINDOW_MS
    begin = max(window.offset, next(o for o, record in enumerate(log) if record.appended_at_ms >= horizon_ms))
    for a, b in pairwise(sorted({begin, start, *(c for c in cuts if begin < c < start)})):
        window.advance(log[a:b], b)
    window.advance((), start)


CUTS = st.lists(st.integers(1, 20), max_size=6)


@given(logs(), CAPS, CUTS)
def test_any_cutting_into_blocks_decides_by_the_stated_rule(log: Log, cap: int, cuts: list[int]) -> None:
    assert decide(RetryWindow(max_keys=cap), log, cuts) == stated(log, cap)


@given(logs(), CAPS, CUTS, CUTS, st.data())
def test_a_window_rebuilt_from_ten_minutes_before_decides_the_same(
    log: Log, cap: int, cuts: list[int], back_cuts: list[int], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(log) - 1))
    window = RetryWindow(max_keys=cap)
    read_back(window, log, start, back_cuts)

    assert decide(window, log, cuts) == stated(log, cap)[start:]


@given(logs(), CAPS, CUTS, CUTS, st.data())
def test_a_window_kept_from_an_earlier_ownership_decides_the_same(
    log: Log, cap: int, cuts: list[int], back_cuts: list[int], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(log) - 1))
    kept_to = data.draw(st.integers(0, start))
    window = RetryWindow(max_keys=cap)
    decide(window, log[:kept_to], cuts)
    read_back(window, log, start, back_cuts)

    assert decide(window, log, cuts) == stated(log, cap)[start:]


@given(logs(), CAPS)
def test_memory_never_passes_the_cap(log: Log, cap: int) -> None:
    window = RetryWindow(max_keys=cap)
    for offset, record in enumerate(log):
        window.advance([record], offset + 1)
        assert len(window) <= cap
