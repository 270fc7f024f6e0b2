"""What gateways append, and what of it is to be stored by the rules as they are stated: the slow way."""

from __future__ import annotations

import random
from collections import Counter

from siddes_telemetry.schemas.record import NO_BATCH, format_time, partition_of
from tests.fakes.consumption import ACCEPTED, DAY_MS, MINUTE_MS, NOON_MS, SHOWN, Sent, bad_record, encode, key
from tests.simulation.broker import PartitionLog
from tests.simulation.store import StoredRow

CLOCK_STEPS_MS = (1, 1000, 3 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, DAY_MS, -MINUTE_MS, -11 * MINUTE_MS)
SKEWS_MS = (0, 0, 0, -1, -9 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, -11 * MINUTE_MS, 3 * DAY_MS)
WINDOW_MS = 10 * MINUTE_MS

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
        self._clocks_ms: Counter[int] = Counter()
        self._occurred: dict[int, list[tuple[bytes, int]]] = {}

    def append(self) -> None:
        """One record, of one or a few client batches."""
        rng = self._rng
        if rng.random() < 0.4:
            self.now_ms += rng.choice(CLOCK_STEPS_MS)
        batches = [self._batch() for _ in range(rng.choice((1, 1, 2, 4)))]
        keys = [batch.key for batch in batches if batch.key != NO_BATCH]
        number = partition_of(keys[0], self._setting) if keys else rng.randrange(len(self._partitions))
        batches = [b for b in batches if b.key == NO_BATCH or partition_of(b.key, self._setting) == number]
        partition = self._partitions[number]
        place = (number, partition.next)
        clock_ms = self._clocks_ms[number] = max(self._clocks_ms[number], self.now_ms)
        if rng.random() < 0.1:
            self.broken.add(place)
            unreadable = bad_record(0, 0, *batches)
            partition.append(self.now_ms, unreadable.value, unreadable.headers)
        else:
            self.expected[place], self.with_repeats[place] = self._expect(place, clock_ms, batches)
            partition.append(self.now_ms, *encode(batches))

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
        self, place: Place, clock_ms: int, batches: list[Sent]
    ) -> tuple[Counter[StoredRow], Counter[StoredRow]]:
        number, offset = place
        occurred = self._occurred.setdefault(number, [])
        expected: Counter[StoredRow] = Counter()
        with_repeats: Counter[StoredRow] = Counter()
        for batch in batches:
            again = batch.key != NO_BATCH and any(
                k == batch.key and clock_ms - at_ms <= WINDOW_MS for k, at_ms in occurred
            )
            occurred.append((batch.key, clock_ms))
            self.repeats += again
            skewed = abs(batch.created_at_ms - self.now_ms) > WINDOW_MS
            created_at = format_time(self.now_ms if skewed else batch.created_at_ms)
            for event, count in batch.counts.items():
                row = StoredRow(batch.viewer_id, event, count, created_at, number, offset)
                expected[row] += not again
                with_repeats[row] += 1
        return +expected, with_repeats
