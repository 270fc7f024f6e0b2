"""Which retries are dropped depends on the log alone, and for each record on the clock of its format."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry, keyless_run, merge_runs
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow
from tests.fakes.consumer_process import DAY_MS, MINUTE_MS, NOON_MS, key

Log = list[WindowEntry]  # its indices are its offsets

_AROUND_MS = [at_ms + by_ms for at_ms in (0, MINUTE_MS, WINDOW_MS) for by_ms in (-1, 0, 1)]
STEPS_MS = st.sampled_from([0, 1, *_AROUND_MS, 5 * MINUTE_MS, -5 * MINUTE_MS, -MINUTE_MS, -WINDOW_MS, DAY_MS, -DAY_MS])
SPIKES_MS = st.sampled_from([0] * 7 + [DAY_MS, -DAY_MS, 2 * MINUTE_MS])  # of one record alone
KEYS = st.lists(st.integers(1, 3).map(key), max_size=2)
RECORDS = st.tuples(STEPS_MS, SPIKES_MS, KEYS, st.booleans())
CLOCKS = st.sampled_from([(True, True), (False, False), (False, False), (True, False)])  # earlier, later
CAPS = st.one_of(st.integers(1, 8), st.just(1000))
CUTS = st.lists(st.integers(1, 20), max_size=6)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Records judged by either clock, or both, whose append times rise, fall and leap."""
    log: Log = []
    at_ms = NOON_MS
    by_max_time = draw(CLOCKS)
    for step_ms, spike_ms, keys, later in draw(st.lists(RECORDS, min_size=draw(st.sampled_from([1, 15])), max_size=25)):
        at_ms += step_ms
        log.append(WindowEntry(at_ms + spike_ms, keys, by_max_time[later]))
    return log


def stated(log: Log, cap: int) -> list[list[bool]]:
    """The rule, implemented the slow way."""
    occurred: list[tuple[bytes, int]] = []  # key and place, in log order
    answers = []
    for place, record in enumerate(log):
        answer = []
        for each in record.keys:
            last = occurred[-cap:]
            answer.append(any(key == each and passed_ms(log, since, place) <= WINDOW_MS for key, since in last))
            occurred.append((each, place))
        answers.append(answer)
    return answers


def passed_ms(log: Log, since: int, to: int) -> int:
    """The time between two records, by the clock that judges the later one."""
    times_ms = [record.appended_at_ms for record in log]
    if log[to].by_max_time:
        return max(times_ms[: to + 1]) - max(times_ms[: since + 1])
    return sum(min(max(after - before, 0), MINUTE_MS) for before, after in pairwise(times_ms[since : to + 1]))


def decide(window: RetryWindow, log: Log, cuts: Sequence[int]) -> list[list[bool]]:
    """The repeats that blocks cut at these offsets find, from the window's offset on."""
    places = sorted({window.offset, len(log), *(c for c in cuts if window.offset < c < len(log))})
    answers = []
    for start, end in pairwise(places):
        answers += window.find_repeats(log[start:end])
        window.advance(log[start:end], end)
    return answers


def contents(window: RetryWindow) -> dict[str, object]:
    """A copy of everything that a window decides by."""
    inside = deepcopy(vars(window))
    head = inside.pop("_head")
    for column in ("_elapsed_ms", "_max_append_ms"):
        inside[column] = list(inside[column][head:])
    del inside["evicted"]  # decides nothing, and depends on how records were added
    return inside


@given(logs(), CAPS, CUTS)
def test_any_cutting_into_blocks_decides_by_the_stated_rule(log: Log, cap: int, cuts: list[int]) -> None:
    assert decide(RetryWindow(max_keys=cap), log, cuts) == stated(log, cap)


@given(logs(), CAPS)
def test_records_without_keys_move_the_clocks_alike_as_runs(log: Log, cap: int) -> None:
    one_by_one, by_runs = RetryWindow(max_keys=cap), RetryWindow(max_keys=cap)
    for keyless, run in groupby(log, lambda record: not record.keys):
        records = list(run)
        one_by_one.advance(records, 0)
        times_ms = [record.appended_at_ms for record in records]
        by_runs.advance([keyless_run(times_ms)] if keyless else records, 0)
        if keyless:
            half = len(records) // 2
            runs = [keyless_run(part) for part in (times_ms[:half], times_ms[half:]) if part]
            assert merge_runs(runs) == merge_runs(records) == merge_runs([keyless_run(times_ms)])
    assert contents(one_by_one) == contents(by_runs)


@given(logs(), CAPS)
def test_memory_never_passes_the_cap(log: Log, cap: int) -> None:
    window = RetryWindow(max_keys=cap)
    for offset, record in enumerate(log):
        window.advance([record], offset + 1)
        assert len(window) <= cap
