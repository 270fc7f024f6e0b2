"""The two clocks of a partition's log. Every record advances them, whatever its format, readable or not. Pure.

    elapsed_ms       the sum of the steps between append times, each clamped to 0..MAX_STEP_MS
    max_append_ms    the running maximum of append times

The first goes on whatever the append times do: a record from the future adds a minute at most, one from the past adds
nothing, and the step after either counts again. The second is the rule of record format 1: after a record from the
future it stands still until the append times have caught up. Neither clock ever goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MAX_STEP_MS = 60_000  # a leap of the log's clock counts as this at most: ten of them empty the retry window

_NEVER = 2**63  # an append time after all others, so that the first record makes no step


class RunTail(NamedTuple):
    """What the records of a run do to the clocks after its first record."""

    last_ms: int  # their last append time
    max_append_ms: int
    elapsed_ms: int


class WindowEntry(NamedTuple):
    """One record with the keys of its batches, in order; or a run of records without keys."""

    appended_at_ms: int  # of a run: that of its first record
    keys: Sequence[bytes]
    by_max_time: bool = False  # the keys are judged by `max_append_ms`, otherwise by `elapsed_ms`
    tail: RunTail | None = None  # of a run of several records


@dataclass(slots=True)
class LogClock:
    """Both clocks, from a first record on. Of `elapsed_ms` only differences mean something."""

    first_ms: int = _NEVER  # append time of the first record
    last_ms: int = _NEVER  # append time of the last record
    max_append_ms: int = 0
    elapsed_ms: int = 0

    def advance(self, appended_at_ms: int) -> None:
        """Advance past the next record."""
        self.apply(WindowEntry(appended_at_ms, ()))

    def apply(self, entry: WindowEntry) -> None:
        """Advance past the next record or run."""
        at_ms, _, _, tail = entry
        if step_ms := at_ms - self.last_ms:  # mostly 0
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
    """The run of records without keys that were appended at these times."""
    first_ms, last_ms = times_ms[0], times_ms[-1]
    if len(times_ms) == 1:
        return WindowEntry(first_ms, ())
    if last_ms - first_ms <= MAX_STEP_MS and sorted(times_ms) == times_ms:  # so no single step is clamped
        return WindowEntry(first_ms, (), tail=RunTail(last_ms, last_ms, last_ms - first_ms))
    return merge_runs(WindowEntry(each_ms, ()) for each_ms in times_ms)


def merge_runs(entries: Iterable[WindowEntry]) -> WindowEntry:
    """One run of consecutive records and runs without keys."""
    clock = LogClock()
    for entry in entries:
        clock.apply(entry)
    return WindowEntry(clock.first_ms, (), tail=RunTail(clock.last_ms, clock.max_append_ms, clock.elapsed_ms))
