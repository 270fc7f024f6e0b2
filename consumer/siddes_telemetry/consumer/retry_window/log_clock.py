"""The two clocks of a partition's log, which every record moves: of whichever format, readable or not. Pure.

    elapsed_ms    the sum of the steps between append times, each clamped to 0..MAX_STEP_MS
    max_append_ms   the running maximum of append times

The first goes on whatever the times do: a record from the future adds a minute at most, one from the past nothing, and
what follows either counts again. The second is the rule of record format 1: after a record from the future nothing
moves it until the time has caught up. Neither ever goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MAX_STEP_MS = 60_000  # a leap of the clock is at most this: ten of them, and the retry window is empty

_NEVER = 2**63  # as an append time: after all others, so that the first record makes no step


class RunTail(NamedTuple):
    """What the records of a run do to the clocks after its first: their last time, their highest, the sum of steps."""

    last_ms: int
    max_append_ms: int
    elapsed_ms: int


class WindowEntry(NamedTuple):
    """The keyed batches of one record, in order; or a run of records without any, as one.

    `appended_at_ms`: the record's, or that of a run's first. `by_max_time`: by which clock the keys are judged.
    """

    appended_at_ms: int
    keys: Sequence[bytes]
    by_max_time: bool = False
    tail: RunTail | None = None  # of a run


@dataclass(slots=True)
class LogClock:
    """Both clocks, from a first record on: only differences of `elapsed_ms` mean something."""

    first_ms: int = _NEVER  # the append times of the first record and of the last
    last_ms: int = _NEVER
    max_append_ms: int = 0
    elapsed_ms: int = 0

    def advance(self, appended_at_ms: int) -> None:
        """The next record."""
        self.apply(WindowEntry(appended_at_ms, ()))

    def apply(self, entry: WindowEntry) -> None:
        """The next record or run."""
        at_ms, _, _, tail = entry
        if step_ms := at_ms - self.last_ms:  # mostly there is none
            if step_ms > 0:
                self.elapsed_ms += min(step_ms, MAX_STEP_MS)
                self.max_append_ms = max(self.max_append_ms, at_ms)
            elif self.last_ms == _NEVER:
                self.first_ms = self.max_append_ms = at_ms
            self.last_ms = at_ms
        if tail is not None:
            self.last_ms = tail.last_ms
            self.max_append_ms = max(self.max_append_ms, tail.max_append_ms)
            self.elapsed_ms += tail.elapsed_ms

    def copy(self) -> LogClock:
        return LogClock(self.first_ms, self.last_ms, self.max_append_ms, self.elapsed_ms)


def keyless_run(times_ms: Sequence[int]) -> WindowEntry:
    """Records without keys that were appended at these times."""
    first_ms, last_ms = times_ms[0], times_ms[-1]
    if len(times_ms) == 1:
        return WindowEntry(first_ms, ())
    if last_ms - first_ms <= MAX_STEP_MS and sorted(times_ms) == times_ms:  # so no step is too large either
        return WindowEntry(first_ms, (), tail=RunTail(last_ms, last_ms, last_ms - first_ms))
    return merge_runs(WindowEntry(each_ms, ()) for each_ms in times_ms)


def merge_runs(entries: Iterable[WindowEntry]) -> WindowEntry:
    """Records and runs without keys that follow one another, as one run."""
    clock = LogClock()
    for entry in entries:
        clock.apply(entry)
    return WindowEntry(clock.first_ms, (), tail=RunTail(clock.last_ms, clock.max_append_ms, clock.elapsed_ms))
