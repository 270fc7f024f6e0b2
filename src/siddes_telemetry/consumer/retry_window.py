"""Which client batches occurred lately: a retry of one is dropped.

The set is a function of the log alone: at an offset, the keys of the batches of its partition whose record's time lies
within ten minutes of the newest, the last N of them in log order, however the log is cut into
blocks. A replay therefore decides as the first try did.
Time is the running maximum of the records' append times, so that a clock set back forgets nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW_MS = 600_000  # a client may retry a batch for ten minutes
MAX_KEYS = 200_000  # a partition: 333 batches a second for ten minutes; 54 MB, at 270 bytes a key


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The keyed batches of one record, in order."""

    appended_at_ms: int
    keys: Sequence[bytes]


class RetryWindow:
    """The keys of one partition up to `offset`, exclusive.

    What occurred is numbered from 1 on. Both numbers and times only rise, so the keys that are remembered are those
    from some number on.
    """

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self.offset = 0
        self.evicted = 0  # keys the cap pushed out within the ten minutes: a later retry of one counts again
        self._max_keys = max_keys
        self._clock_ms = 0
        self._number = 0  # of the key that occurred last
        self._latest: dict[bytes, int] = {}  # key → the number under which it occurred last
        self._keys: deque[bytes] = deque()  # what occurred, in order: the last has `_number`
        self._times_ms: deque[int] = deque()  # the clock at each of `_keys`: one object for all keys of a record

    def __len__(self) -> int:
        return len(self._latest)

    def repeats(self, occurrences: Iterable[Occurrence]) -> list[list[bool]]:
        """For each record and each of its keys: did it occur before, here or in this sequence? Changes nothing."""
        clock_ms, number = self._clock_ms, self._number
        fresh: dict[bytes, tuple[int, int]] = {}  # key → (clock, number)
        times_ms = iter(self._times_ms)
        oldest_ms = next(times_ms, clock_ms)  # the clock at `first`, which is the first number that time leaves
        first = number - len(self._times_ms) + 1
        answers: list[list[bool]] = []
        for occurrence in occurrences:
            clock_ms = max(clock_ms, occurrence.appended_at_ms)
            while first <= self._number and clock_ms - oldest_ms > WINDOW_MS:
                first += 1
                oldest_ms = next(times_ms, clock_ms)
            answer: list[bool] = []
            for key in occurrence.keys:
                number += 1
                if (again := fresh.get(key)) is not None:
                    at_ms, before = again
                    answer.append(clock_ms - at_ms <= WINDOW_MS and number - before <= self._max_keys)
                else:
                    before = self._latest.get(key, 0)
                    answer.append(before >= first and number - before <= self._max_keys)
                fresh[key] = (clock_ms, number)
            answers.append(answer)
        return answers

    def advance(self, occurrences: Iterable[Occurrence], offset: int) -> None:
        """Enter the keys of the records up to `offset`: dropped or not, they occurred."""
        for occurrence in occurrences:
            self._clock_ms = max(self._clock_ms, occurrence.appended_at_ms)
            for key in occurrence.keys:
                self._number += 1
                self._latest[key] = self._number
                self._keys.append(key)
                self._times_ms.append(self._clock_ms)
            self._forget()
        self.offset = offset

    def _forget(self) -> None:
        first = self._number - len(self._keys) + 1
        while self._keys and (first <= self._number - self._max_keys or self._clock_ms - self._times_ms[0] > WINDOW_MS):
            key, at_ms = self._keys.popleft(), self._times_ms.popleft()
            if self._latest[key] == first:
                del self._latest[key]
                self.evicted += self._clock_ms - at_ms <= WINDOW_MS
            first += 1
