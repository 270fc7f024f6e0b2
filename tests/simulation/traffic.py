"""What gateways append, and what of it is to be stored by the rules as they are stated: the slow way."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from siddes_telemetry.schemas.record import NO_BATCH, format_time, partition_of
from tests.fakes.consumption import (
    ACCEPTED,
    DAY_MS,
    MINUTE_MS,
    NOON_MS,
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
MINUTES = 11  # after which no batch is a retry of what came before

Place = tuple[int, int]  # partition, offset


class Traffic:
    """The gateways of one schedule. `setting`: the number of partitions that keyed batches are shared out over."""

    def __init__(self, rng: random.Random, partitions: list[PartitionLog]) -> None:
        self.now_ms = NOON_MS + rng.randrange(DAY_MS)  # the log's clock: it leaps, and goes back
        self.expected: dict[Place, Counter[StoredRow]] = {}  # by readable record
        self.with_repeats: dict[Place, Counter[StoredRow]] = {}  # the same, had no batch occurred before
        self.broken: set[Place] = set()
        self.repeats = 0  # client batches sent again within the ten minutes
        self._rng = rng
        self._partitions = partitions
        self._setting = len(partitions)
        self._formats = rng.choice(((1,), (2,), (2,), (1, 2)))  # that the gateways write
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
        """So much time that nothing that comes into this partition is a retry, by whatever clock."""
        self.now_ms = max([self.now_ms, *self._times_ms.get(number, ())]) + DAY_MS
        for _ in range(MINUTES):
            self.now_ms += MINUTE_MS
            self._put(number, [replace(self._batch(), key=NO_BATCH)], self.now_ms)

    def _put(self, number: int, batches: list[Sent], at_ms: int) -> None:
        rng, partition = self._rng, self._partitions[number]
        place = (number, partition.next)
        self._times_ms.setdefault(number, []).append(at_ms)
        record_format = rng.choice(self._formats)
        if rng.random() < 0.1:
            self.broken.add(place)
            _, _, value, headers, _ = bad_record(0, 0, *batches)
        else:
            self.expected[place], self.with_repeats[place] = self._expect(place, at_ms, record_format, batches)
            value, headers = encode(batches)
        partition.append(at_ms, value, headers_in(record_format, headers))

    def _batch(self) -> Sent:
        rng = self._rng
        events = rng.sample((SHOWN, ACCEPTED), rng.randint(1, 2))
        return Sent(
            key(rng.randint(1, 8)) if rng.random() < 0.6 else NO_BATCH,
            f"viewer-{rng.randrange(4)}",
            {event: rng.randint(1, 50) for event in events},
            self.now_ms + rng.choice(SKEWS_MS),
        )

    def _expect(
        self, place: Place, at_ms: int, record_format: int, batches: list[Sent]
    ) -> tuple[Counter[StoredRow], Counter[StoredRow]]:
        number, offset = place
        occurred = self._occurred.setdefault(number, [])
        expected: Counter[StoredRow] = Counter()
        with_repeats: Counter[StoredRow] = Counter()
        for batch in batches:
            again = batch.key != NO_BATCH and any(
                key == batch.key and self._passed_ms(number, since, record_format) <= WINDOW_MS
                for key, since in occurred
            )
            occurred.append((batch.key, len(self._times_ms[number]) - 1))
            self.repeats += again
            skewed = abs(batch.created_at_ms - at_ms) > WINDOW_MS
            created_at = format_time(at_ms if skewed else batch.created_at_ms)
            for event, count in batch.counts.items():
                row = StoredRow(batch.viewer_id, event, count, created_at, number, offset)
                expected[row] += not again
                with_repeats[row] += 1
        return +expected, with_repeats

    def _passed_ms(self, number: int, since: int, record_format: int) -> int:
        """How much time lies between an earlier record of this partition and its last, by the rule of this format."""
        times_ms = self._times_ms[number]
        if record_format == 1:
            return max(times_ms) - max(times_ms[: since + 1])
        return sum(min(max(later - before, 0), MINUTE_MS) for before, later in pairwise(times_ms[since:]))
