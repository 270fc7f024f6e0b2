"""Which client batches occurred lately: a retry of one is dropped.

The set is a function of the log alone: at an offset, the keys of the batches of its partition whose record's time lies
within ten minutes of the newest, the last N of them in log order, however the log is cut into
blocks. A replay therefore decides as the first try did.
Time is the running maximum of the records' append times, so that a clock set back forgets nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW_MS = 600_000  # a client may retry a batch for ten minutes
MAX_KEYS = 200_000  # a partition; 333 batches a second for ten minutes, about 35 MB


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The keyed batches of one record, in order."""

    appended_at_ms: int
    keys: Sequence[bytes]


class RetryWindow:
    """The keys of one partition up to `offset`, exclusive."""

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self.offset = 0
        self.evicted = 0  # keys the cap pushed out within the ten minutes: a later retry of one counts again
        self._max_keys = max_keys
        self._clock_ms = 0
        self._ordinal = 0  # how many keys have occurred; only differences matter
        self._seen: OrderedDict[bytes, tuple[int, int]] = (
            OrderedDict()
        )  # key → (clock, ordinal), latest occurrence last

    def __len__(self) -> int:
        return len(self._seen)

    def repeats(self, occurrences: Iterable[Occurrence]) -> list[list[bool]]:
        """For each record and each of its keys: did it occur before, here or in this sequence? Changes nothing."""
        clock_ms, ordinal = self._clock_ms, self._ordinal
        fresh: dict[bytes, tuple[int, int]] = {}
        answers: list[list[bool]] = []
        for occurrence in occurrences:
            clock_ms = max(clock_ms, occurrence.appended_at_ms)
            answer: list[bool] = []
            for key in occurrence.keys:
                ordinal += 1
                before = fresh.get(key) or self._seen.get(key)
                answer.append(before is not None and self._remembers(before, clock_ms, ordinal))
                fresh[key] = (clock_ms, ordinal)
            answers.append(answer)
        return answers

    def advance(self, occurrences: Iterable[Occurrence], offset: int) -> None:
        """Enter the keys of the records up to `offset`: dropped or not, they occurred."""
        for occurrence in occurrences:
            self._clock_ms = max(self._clock_ms, occurrence.appended_at_ms)
            for key in occurrence.keys:
                self._ordinal += 1
                self._seen[key] = (self._clock_ms, self._ordinal)
                self._seen.move_to_end(key)
            self._forget()
        self._forget()
        self.offset = offset

    def _forget(self) -> None:
        while self._seen:
            key, (at_ms, ordinal) = next(iter(self._seen.items()))
            if self._remembers((at_ms, ordinal), self._clock_ms, self._ordinal + 1):
                return
            self.evicted += self._clock_ms - at_ms <= WINDOW_MS
            del self._seen[key]

    def _remembers(self, before: tuple[int, int], clock_ms: int, ordinal: int) -> bool:
        at_ms, at_ordinal = before
        return clock_ms - at_ms <= WINDOW_MS and ordinal - at_ordinal <= self._max_keys
