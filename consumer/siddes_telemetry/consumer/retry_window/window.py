"""The keys of the client batches that occurred lately in a partition. Pure.

At a record, the window has the keys that occurred in its partition no more than ten minutes before, the last N of them
in log order, however the log is cut into blocks. It depends on the log alone, so a replay decides as the first try did.
The record's format tells which of the log's clocks measures the ten minutes (log_clock.py). By the sum of steps, a
partition with little traffic remembers a key for longer: from one record to the next a minute passes at most.

`find_repeats` says which batches repeat others; rows.py drops those.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable

from siddes_telemetry.consumer.retry_window.log_clock import LogClock, WindowEntry

WINDOW_MS = 600_000  # a client may retry a batch for ten minutes
MAX_KEYS = 200_000  # a partition: 333 batches a second for ten minutes; 50 MB, at 250 bytes a key

_COMPACT_FROM = 1000  # free places at the head of the columns, before the rest is moved up


class RetryWindow:
    """The keys of one partition's records of [begin, offset), as far as they still matter.

    Occurrences of keys are numbered from 1. Numbers and both clocks only rise, so the occurrences that are remembered
    are those from some number on.
    """

    def __init__(self, begin: int = 0, *, max_keys: int = MAX_KEYS) -> None:
        self.begin = begin
        self.offset = begin
        self.evicted = 0  # keys evicted by the cap within the ten minutes: a later retry of one counts again
        self._max_keys = max_keys
        self._clock = LogClock()
        self._number = 0  # of the latest occurrence
        self._latest: dict[bytes, int] = {}  # key → the number of its latest occurrence
        self._keys: deque[bytes] = deque()  # the key of each occurrence, in order; the last one has `_number`
        self._elapsed_ms = array("q")  # both clocks at each of `_keys`, which begin at index `_head`
        self._max_append_ms = array("q")
        self._head = 0

    def __len__(self) -> int:
        return len(self._latest)

    def covers_window(self, at_ms: int) -> bool:
        """Whether no key before `begin` matters to a next record of that append time, by the sum of steps."""
        clock = self._clock.copy()
        clock.advance(at_ms)
        return clock.elapsed_ms > WINDOW_MS or self._number >= self._max_keys

    def find_repeats(self, entries: Iterable[WindowEntry]) -> list[list[bool]]:
        """For each entry and each of its keys: did it occur before, here or in these entries? Changes nothing."""
        clock, number = self._clock.copy(), self._number
        fresh: dict[bytes, tuple[int, int, int]] = {}  # key → (elapsed, max append time, number)
        latest, head = self._latest, self._head - (number - len(self._keys) + 1)  # index of a number: head + number
        repeats: list[list[bool]] = []
        for entry in entries:
            clock.apply(entry)
            repeated: list[bool] = []
            if entry.keys:
                elapsed_ms, max_append_ms = clock.elapsed_ms, clock.max_append_ms
                by_max_time = entry.by_max_time
                now_ms, column = (max_append_ms, self._max_append_ms) if by_max_time else (elapsed_ms, self._elapsed_ms)
                for key in entry.keys:
                    number += 1
                    if (again := fresh.get(key)) is not None:
                        at_ms, before = again[by_max_time], again[2]
                        repeated.append(now_ms - at_ms <= WINDOW_MS and number - before <= self._max_keys)
                    elif (before := latest.get(key, 0)) and number - before <= self._max_keys:
                        repeated.append(now_ms - column[head + before] <= WINDOW_MS)
                    else:
                        repeated.append(False)
                    fresh[key] = (elapsed_ms, max_append_ms, number)
            repeats.append(repeated)
        return repeats

    def advance(self, entries: Iterable[WindowEntry], offset: int) -> None:
        """Add the keys of the records up to `offset`. Those of dropped batches occurred as well."""
        clock, keys, elapsed_ms, max_append_ms = self._clock, self._keys, self._elapsed_ms, self._max_append_ms
        evicted_at_ms = -1
        for entry in entries:
            clock.apply(entry)
            for key in entry.keys:
                self._number += 1
                self._latest[key] = self._number
                keys.append(key)
                elapsed_ms.append(clock.elapsed_ms)
                max_append_ms.append(clock.max_append_ms)
            if clock.elapsed_ms != evicted_at_ms or len(keys) > self._max_keys:  # both clocks move together
                self._evict()
                evicted_at_ms = clock.elapsed_ms
        self.offset = offset

    def _evict(self) -> None:
        """Forget occurrences beyond the cap, and those too old by both clocks."""
        keys, elapsed_ms, max_append_ms, head = self._keys, self._elapsed_ms, self._max_append_ms, self._head
        first, first_within_cap = self._number - len(keys) + 1, self._number - self._max_keys + 1
        young_ms, young_by_max_time_ms = self._clock.elapsed_ms - WINDOW_MS, self._clock.max_append_ms - WINDOW_MS
        while keys and (
            first < first_within_cap or (elapsed_ms[head] < young_ms and max_append_ms[head] < young_by_max_time_ms)
        ):
            key = keys.popleft()
            if self._latest[key] == first:
                del self._latest[key]
                self.evicted += elapsed_ms[head] >= young_ms
            head += 1
            first += 1
        if head >= _COMPACT_FROM and 4 * head > len(elapsed_ms):
            del elapsed_ms[:head], max_append_ms[:head]
            head = 0
        self._head = head
