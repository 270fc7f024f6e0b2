"""Which client batches occurred lately: a retry of one is dropped.

The set is a function of the log alone: at a record, the keys of the batches of its partition that occurred no more than
ten minutes before, the last N of them in log order, however the log is cut into blocks. A replay therefore decides as
the first try did. What ten minutes are depends on the record that asks: by its format it goes by one of the log's two
clocks (log_clock.py). By the sum of steps a key of a partition with little traffic is known for longer: from one record
to the next a minute passes at most.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable

from siddes_telemetry.consumer.retry_window.log_clock import LogClock, WindowEntry

WINDOW_MS = 600_000  # a client may retry a batch for ten minutes
MAX_KEYS = 200_000  # a partition: 333 batches a second for ten minutes; 50 MB, at 250 bytes a key

_FEWEST_LET_GO = 1000  # places at the head of the columns, before what lies behind is moved up


class RetryWindow:
    """The keys of one partition's records of [begin, offset), or those of them that may still matter.

    What occurred is numbered from 1 on. Numbers and both clocks only rise, so the keys that are remembered are those
    from some number on.
    """

    def __init__(self, begin: int = 0, *, max_keys: int = MAX_KEYS) -> None:
        self.begin = begin
        self.offset = begin
        self.evicted = 0  # keys the cap pushed out within the ten minutes: a later retry of one counts again
        self._max_keys = max_keys
        self._clock = LogClock()
        self._number = 0  # of the key that occurred last
        self._latest: dict[bytes, int] = {}  # key → the number under which it occurred last
        self._keys: deque[bytes] = deque()  # what occurred, in order: the last has `_number`
        self._elapsed_ms = array("q")  # both clocks at each of `_keys`, which begin at `_head`
        self._max_append_ms = array("q")
        self._head = 0

    def __len__(self) -> int:
        return len(self._latest)

    def covers_window(self, at_ms: int) -> bool:
        """Whether no key from before `begin` matters to a next record of that append time, by the sum of steps."""
        clock = self._clock.copy()
        clock.advance(at_ms)
        return clock.elapsed_ms > WINDOW_MS or self._number >= self._max_keys

    def find_repeats(self, entries: Iterable[WindowEntry]) -> list[list[bool]]:
        """For each record and each of its keys: did it occur before, here or in this sequence? Changes nothing."""
        clock, number = self._clock.copy(), self._number
        fresh: dict[bytes, tuple[int, int, int]] = {}  # key → (passed, highest, number)
        latest, head = self._latest, self._head - (number - len(self._keys) + 1)  # a number's place is beyond `head`
        answers: list[list[bool]] = []
        for entry in entries:
            clock.apply(entry)
            answer: list[bool] = []
            if entry.keys:
                elapsed_ms, max_append_ms = clock.elapsed_ms, clock.max_append_ms
                by_max_time = entry.by_max_time
                now_ms, column = (max_append_ms, self._max_append_ms) if by_max_time else (elapsed_ms, self._elapsed_ms)
                for key in entry.keys:
                    number += 1
                    if (again := fresh.get(key)) is not None:
                        at_ms, before = again[by_max_time], again[2]
                        answer.append(now_ms - at_ms <= WINDOW_MS and number - before <= self._max_keys)
                    elif (before := latest.get(key, 0)) and number - before <= self._max_keys:
                        answer.append(now_ms - column[head + before] <= WINDOW_MS)
                    else:
                        answer.append(False)
                    fresh[key] = (elapsed_ms, max_append_ms, number)
            answers.append(answer)
        return answers

    def advance(self, entries: Iterable[WindowEntry], offset: int) -> None:
        """Enter the keys of the records up to `offset`: dropped or not, they occurred."""
        clock, keys, elapsed_ms, max_append_ms = self._clock, self._keys, self._elapsed_ms, self._max_append_ms
        looked_at_ms = -1
        for entry in entries:
            clock.apply(entry)
            for key in entry.keys:
                self._number += 1
                self._latest[key] = self._number
                keys.append(key)
                elapsed_ms.append(clock.elapsed_ms)
                max_append_ms.append(clock.max_append_ms)
            if clock.elapsed_ms != looked_at_ms or len(keys) > self._max_keys:  # the other clock moves with this one
                self._forget()
                looked_at_ms = clock.elapsed_ms
        self.offset = offset

    def _forget(self) -> None:
        """Let go what is beyond the cap, or too old for either clock."""
        keys, elapsed_ms, max_append_ms, head = self._keys, self._elapsed_ms, self._max_append_ms, self._head
        first, first_within_cap = self._number - len(keys) + 1, self._number - self._max_keys + 1
        young_ms, young_by_highest_ms = self._clock.elapsed_ms - WINDOW_MS, self._clock.max_append_ms - WINDOW_MS
        while keys and (
            first < first_within_cap or (elapsed_ms[head] < young_ms and max_append_ms[head] < young_by_highest_ms)
        ):
            key = keys.popleft()
            if self._latest[key] == first:
                del self._latest[key]
                self.evicted += elapsed_ms[head] >= young_ms
            head += 1
            first += 1
        if head >= _FEWEST_LET_GO and 4 * head > len(elapsed_ms):
            del elapsed_ms[:head], max_append_ms[:head]
            head = 0
        self._head = head
