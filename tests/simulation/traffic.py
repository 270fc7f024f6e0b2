"""The records that gateways append, and the rows that must come of them, computed by the rules in a slow, plain way."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise

from siddes_telemetry.schemas.client_batch import NO_BATCH, partition_of
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.consumer_process import (
    ACCEPTED,
    DAY_MS,
    MINUTE_MS,
    NOON_MS,
    REGISTRY,
    SHOWN,
    Sent,
    bad_record,
    encode,
    headers_in,
    key,
)
from tests.simulation.broker import PartitionLog
from tests.simulation.store import StoredRow

CLOCK_STEPS_MS = (1, 1000, MINUTE_MS, 3 * MINUTE_MS, 10 * MINUTE_MS + 1, DAY_MS, -MINUTE_MS, -11 * MINUTE_MS, -DAY_MS)
SPIKES_MS = (3 * DAY_MS, 11 * MINUTE_MS, -3 * DAY_MS)  # how far the clock is off for one record
SKEWS_MS = (0, 0, 0, -1, -9 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, -11 * MINUTE_MS, 3 * DAY_MS)
WINDOW_MS = 10 * MINUTE_MS
MINUTES = 11  # of a pause after which no batch counts as a retry

Place = tuple[int, int]  # partition, offset


@dataclass(frozen=True, slots=True)
class _Appended:
    """A readable record. `number`: its place among all records of its partition, a corrupt record batch being one."""

    offset: int
    number: int
    format: int
    batches: list[Sent]


class Traffic:
    """The gateways of one schedule. `setting`: the number of partitions that keyed batches are shared out over."""

    def __init__(self, rng: random.Random, partitions: list[PartitionLog]) -> None:
        self.now_ms = NOON_MS + rng.randrange(DAY_MS)  # the log's clock: it jumps, also back
        self.expected: dict[Place, Counter[StoredRow]] = {}  # by readable record
        self.with_repeats: dict[Place, Counter[StoredRow]] = {}  # the same, had no batch occurred before
        self.broken: set[Place] = set()
        self.once_broken: set[Place] = set()  # set aside since then, with others: they may be dead letters already
        self.times_set_aside = 0
        self.repeats = 0  # client batches sent again within the ten minutes
        self._rng = rng
        self._partitions = partitions
        self._setting = len(partitions)
        self.two_versions = rng.random() < 0.4  # of the consumer: some records are for the newer one alone
        self._formats = rng.choice(((1,), (2,), (2,), (1, 2)))  # that the gateways write
        self._wide_viewer_ids = rng.choice((0, 0, 0.1, 0.5))  # the share of viewers whose ids need format 3
        self._appended: dict[int, list[_Appended]] = {}  # by partition, in order
        self._set_aside: dict[int, list[tuple[int, int]]] = {}  # by partition: ranges
        self._times_ms: dict[int, list[int]] = {}  # by partition, of all records there ever were
        self._occurred: dict[int, list[tuple[bytes, int]]] = {}  # by partition: key, and the record's place in those

    def append(self) -> None:
        """One record, of one or a few client batches."""
        rng = self._rng
        if rng.random() < 0.4:
            self.now_ms += rng.choice(CLOCK_STEPS_MS)
        batches = [self._batch() for _ in range(rng.choice((1, 1, 2, 4)))]
        keys = [batch.key for batch in batches if batch.key != NO_BATCH]
        number = partition_of(keys[0], self._setting) if keys else rng.randrange(len(self._partitions))
        batches = [b for b in batches if b.key == NO_BATCH or partition_of(b.key, self._setting) == number]
        self._put(number, batches, self.now_ms + (rng.choice(SPIKES_MS) if rng.random() < 0.05 else 0))

    def let_pass(self, number: int) -> None:
        """Let so much time pass that no later record of this partition is a retry, by any clock."""
        self.now_ms = max([self.now_ms, *self._times_ms.get(number, ())]) + DAY_MS
        for _ in range(MINUTES):
            self.now_ms += MINUTE_MS
            self._put(number, [replace(self._batch(), key=NO_BATCH)], self.now_ms)

    def set_aside(self, number: int, start: int, end: int) -> None:
        """This range is not to be stored: one dead letter stands for it, and its keys did not occur."""
        self.times_set_aside += 1
        self._set_aside.setdefault(number, []).append((start, end))
        inside = {(n, at) for n, at in self.broken if n == number and start <= at < end}
        self.once_broken |= inside
        self.broken = self.broken - inside | {(number, start)}
        self._occurred.pop(number, None)
        for appended in self._appended.get(number, ()):
            self._enter(number, appended)

    def _put(self, number: int, batches: list[Sent], at_ms: int) -> None:
        rng, partition = self._rng, self._partitions[number]
        if rng.random() < 0.05:
            self.broken.add((number, partition.next))
            self._times_ms.setdefault(number, []).append(at_ms)
            partition.append_corrupt(at_ms, rng.randint(1, 3))
            return
        first = partition.next
        packed = self.two_versions and rng.random() < 0.1
        for _ in range(rng.randint(1, 3) if packed else 1):
            self._put_record(number, batches, at_ms)
        if packed:
            partition.packed[first] = partition.next

    def _put_record(self, number: int, batches: list[Sent], at_ms: int) -> None:
        rng, partition = self._rng, self._partitions[number]
        times_ms = self._times_ms.setdefault(number, [])
        times_ms.append(at_ms)
        needs_more = any("|" in batch.viewer_id for batch in batches)
        record_format = 3 if needs_more else rng.choice(self._formats)
        if rng.random() < 0.1:
            self.broken.add((number, partition.next))
            _, _, value, headers, _ = bad_record(0, 0, *batches)
        else:
            appended = _Appended(partition.next, len(times_ms) - 1, record_format, batches)
            self._appended.setdefault(number, []).append(appended)
            self.repeats += self._enter(number, appended)
            newer = self.two_versions and rng.random() < 0.05
            value, headers = encode(batches, revision=REGISTRY.revision + newer)
        partition.append(at_ms, value, headers if needs_more else headers_in(record_format, headers))

    def _batch(self) -> Sent:
        rng = self._rng
        events = rng.sample((SHOWN, ACCEPTED), rng.randint(1, 2))
        return Sent(
            key(rng.randint(1, 8)) if rng.random() < 0.6 else NO_BATCH,
            f"viewer{'|' if rng.random() < self._wide_viewer_ids else '-'}{rng.randrange(4)}",
            {event: rng.randint(1, 50) for event in events},
            self.now_ms + rng.choice(SKEWS_MS),
        )

    def _enter(self, number: int, appended: _Appended) -> int:
        """Compute the rows to store of it, given all records before; returns how many of its batches are repeats."""
        offset, place = appended.offset, (number, appended.offset)
        expected: Counter[StoredRow] = Counter()
        with_repeats: Counter[StoredRow] = Counter()
        self.expected[place], self.with_repeats[place] = expected, with_repeats
        if any(start <= offset < end for start, end in self._set_aside.get(number, ())):
            return 0
        occurred = self._occurred.setdefault(number, [])
        at_ms, repeats = self._times_ms[number][appended.number], 0
        for batch in appended.batches:
            again = batch.key != NO_BATCH and any(
                key == batch.key and self._passed_ms(number, since, appended) <= WINDOW_MS for key, since in occurred
            )
            occurred.append((batch.key, appended.number))
            repeats += again
            skewed = abs(batch.created_at_ms - at_ms) > WINDOW_MS
            created_at = format_time(at_ms if skewed else batch.created_at_ms)
            for event, count in batch.counts.items():
                row = StoredRow(batch.viewer_id, event, count, created_at, number, offset)
                with_repeats[row] += 1
                if not again:
                    expected[row] += 1
        return repeats

    def _passed_ms(self, number: int, since: int, appended: _Appended) -> int:
        """The time between an earlier record of this partition and this one, by the rule of its format."""
        times_ms = self._times_ms[number][: appended.number + 1]
        if appended.format == 1:
            return max(times_ms) - max(times_ms[: since + 1])
        return sum(min(max(later - before, 0), MINUTE_MS) for before, later in pairwise(times_ms[since:]))
