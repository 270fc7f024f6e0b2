"""Random schedules of two or three consumers over one log and one store, with everything going wrong that may.

Clients retry, records are broken, clocks leap, consumers are killed, suspended and revoked, commits and inserts lose
their answers, the journal of keys its notes; in the end the store must hold what the log says, which is computed from
it the slow way.
A failure prints its seed; CONSUMER_SEED=<seed> runs that one schedule again, to the last step.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise

from structlog.testing import capture_logs

from siddes_telemetry.backends.ports import Committed, StoreUnavailable
from siddes_telemetry.consumer.cut import FlushPolicy
from siddes_telemetry.consumer.intent import NO_INTENT
from siddes_telemetry.schemas.record import NO_BATCH, Headers, LogRecord, partition_of
from tests.fakes.consumption import (
    ACCEPTED,
    DAY_MS,
    LOG_NAME,
    MINUTE_MS,
    SHOWN,
    CommitBook,
    Process,
    Sent,
    bad_record,
    encode,
    key,
)
from tests.fakes.latency import Fate, SlowStore
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryReader
from tests.fakes.virtual_time import run_in_virtual_time, until

SCHEDULES = 200
STEPS = 60
PARTITIONS = 2
MOST_PROCESSES = 3
DRAIN_S = 3600.0  # of virtual time
CLOCK_STEPS_MS = (1, 1000, 3 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, DAY_MS, -MINUTE_MS, -11 * MINUTE_MS)
SKEWS_MS = (0, 0, 0, -1, -9 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, -11 * MINUTE_MS, 3 * DAY_MS)

Row = tuple[str, str, int, int, int, int]  # viewer, event, count, created at, partition, offset


class UnkindLog(CommitBook):
    """Its clock may go back, and members may be put out of the group without hearing of it."""

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        place = self.partition(partition)
        place.records.append(LogRecord(place.next, self.now_ms, value, headers))
        self.skip(partition, 1)

    def put_out(self, member: MemoryReader) -> list[asyncio.Task[None]]:
        """Give its partitions to others while its tasks go on; returns these."""
        tasks, member._tasks = list(member._tasks.values()), {}
        self._members.remove(member)
        for number in range(PARTITIONS):
            if self.partition(number).owner is member:
                self.partition(number).owner = None
        self.share_out()
        return tasks

    async def leave(self, member: MemoryReader, tasks: list[asyncio.Task[None]]) -> None:  # type: ignore[override]
        if member in self._members:
            await super().leave(member, tasks)


class Schedule:
    """One run, decided by its seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._log = UnkindLog(PARTITIONS)
        self._log.now_ms += self._rng.randrange(DAY_MS)
        self._log.piece = self._rng.choice((1, 3, 1000))
        self._calm = False
        self._store = SlowStore(self._fate, delay=self._delay)
        self._journal = MemoryJournal(lambda: self._log.now_ms)
        self._journal.fate = self._fate_of_note
        self._processes: list[Process] = []
        self._unaware: list[tuple[Process, list[asyncio.Task[None]]]] = []  # put out of the group, and their workers
        self._sent: dict[tuple[int, int], list[Sent]] = {}  # what is readable, by place
        self._broken: set[tuple[int, int]] = set()

    async def run(self) -> None:
        await self._store.adopt_log(LOG_NAME)
        self._start()
        self._start()
        actions: dict[Callable[[], Coroutine[None, None, None]], int] = {
            self._append: 30,
            self._wait: 25,
            self._skip: 2,
            self._revoke: 5,
            self._kill: 5,
            self._stop: 2,
            self._join: 5,
            self._put_out: 4,
            self._suspend: 4,
            self._lose_commit: 5,
            self._blackout: 2,
            self._break_journal: 1,
        }
        for _ in range(STEPS):
            (act,) = self._rng.choices(list(actions), list(actions.values()))
            await act()
        await self._drain()
        self._check()

    # --- what may happen ---

    async def _append(self) -> None:
        for _ in range(self._rng.choice((1, 1, 3, 8))):
            self._log.now_ms += self._rng.choice(CLOCK_STEPS_MS) if self._rng.random() < 0.4 else 0
            batches = [self._batch() for _ in range(self._rng.choice((1, 1, 2, 4)))]
            keys = [batch.key for batch in batches if batch.key != NO_BATCH]
            partition = partition_of(keys[0], PARTITIONS) if keys else self._rng.randrange(PARTITIONS)
            batches = [b for b in batches if b.key == NO_BATCH or partition_of(b.key, PARTITIONS) == partition]
            place = (partition, self._log.partition(partition).next)
            if self._rng.random() < 0.1:
                broken = bad_record(0, 0, *batches)
                self._broken.add(place)
                await self._log.append(partition, broken.value, broken.headers)
            else:
                self._sent[place] = batches
                await self._log.append(partition, *encode(batches))

    def _batch(self) -> Sent:
        events = self._rng.sample((SHOWN, ACCEPTED), self._rng.randint(1, 2))
        return Sent(
            key(self._rng.randint(1, 8)) if self._rng.random() < 0.6 else NO_BATCH,
            f"viewer-{self._rng.randrange(4)}",
            {event: self._rng.randint(1, 50) for event in events},
            self._log.now_ms + self._rng.choice(SKEWS_MS),
        )

    async def _wait(self) -> None:
        await asyncio.sleep(self._rng.choice((0.001, 0.01, 0.1, 0.1, 1.0, 1.0, 5.0, 40.0)))

    async def _skip(self) -> None:
        self._log.skip(self._rng.randrange(PARTITIONS), self._rng.randint(1, 3))

    async def _revoke(self) -> None:
        self._log.revoke(self._rng.randrange(PARTITIONS))

    async def _kill(self) -> None:
        if self._processes:
            await self._one_process().kill()

    async def _stop(self) -> None:
        if self._processes:
            await self._one_process().stop()

    async def _join(self) -> None:
        if len(self._processes) < MOST_PROCESSES:
            self._start()

    async def _put_out(self) -> None:
        if self._processes and self._processes[-1].member in self._log._members:
            process = self._processes.pop()
            self._unaware.append((process, self._log.put_out(process.member)))

    async def _suspend(self) -> None:
        for process in self._processes:
            process.slept_s += self._rng.choice((0.0, 59.0, 61.0))

    async def _lose_commit(self) -> None:
        self._log.lose_next_commit(applied=self._rng.random() < 0.5)

    async def _blackout(self) -> None:
        self._store.down = StoreUnavailable()
        await self._wait()
        self._store.down = None

    async def _break_journal(self) -> None:
        self._journal.available = not self._journal.available

    def _start(self) -> None:
        policy = FlushPolicy(max_rows=self._rng.randint(1, 12), max_age_s=self._rng.choice((0.0, 0.3, 2.0)))
        seed = self._rng.randrange(1000)
        self._processes.append(
            Process(self._log, self._store, policy, delay=self._delay, journal=self._journal, seed=seed).begin()
        )

    def _one_process(self) -> Process:
        return self._processes.pop(self._rng.randrange(len(self._processes)))

    def _delay(self) -> float:
        return self._rng.choice((0.0, 0.001, 0.01, 0.2))

    def _fate(self) -> Fate:
        if self._calm or self._rng.random() < 0.6:
            return Fate(self._rng.choice((0.0, 0.01)))
        return self._rng.choice(
            (Fate(1.0), Fate(12.0), Fate(29.0), Fate(days=0), Fate(0.1, days=1), Fate(0.1, answers=False))
        )

    def _fate_of_note(self, note: bytes) -> list[bytes]:
        return self._rng.choice(([note], [note], [note], [note, note], [note[:-1]], []))

    # --- how it ends ---

    async def _drain(self) -> None:
        self._calm = True
        if not self._processes:
            self._start()
        await until(self._drained, within_s=DRAIN_S, step_s=0.25)
        for process in self._processes:
            await process.stop()
        for process, tasks in self._unaware:
            await process.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.settled()

    def _drained(self) -> bool:
        for process in self._processes:
            if process.task.done():
                process.task.result()
        for number in range(PARTITIONS):
            records, committed = self._log.records(number), self._log.committed(number)
            if records and committed != Committed(records[-1].offset + 1, NO_INTENT):
                return False
        return True

    def _check(self) -> None:
        stored = Counter(
            (row.viewer_id, row.event, row.count, row.created_at_ms, row.partition, row.offset)
            for row in self._store.rows
        )
        expected = Counter(row for n in range(PARTITIONS) for row in self._expected(n))
        assert stored - expected == Counter(), "stored, and should not be"
        assert expected - stored == Counter(), "not stored, and should be"
        assert set(self._log.dead_letters.letters) == self._broken
        self._check_blocks()

    def _expected(self, partition: int) -> list[Row]:
        """What is to be stored of a partition, by the rules as they are stated."""
        rows: list[Row] = []
        occurred: list[tuple[bytes, int]] = []
        clock_ms = 0
        for record in self._log.records(partition):
            clock_ms = max(clock_ms, record.appended_at_ms)
            for batch in self._sent.get((partition, record.offset), []):
                again = any(k == batch.key and clock_ms - at_ms <= 10 * MINUTE_MS for k, at_ms in occurred)
                occurred.append((batch.key, clock_ms))
                if again and batch.key != NO_BATCH:
                    continue
                skewed = abs(batch.created_at_ms - record.appended_at_ms) > 10 * MINUTE_MS
                created_at_ms = record.appended_at_ms if skewed else batch.created_at_ms
                for event, count in batch.counts.items():
                    rows.append((batch.viewer_id, event, count, created_at_ms, partition, record.offset))
        return rows

    def _check_blocks(self) -> None:
        """No two blocks that were ever sent overlap, and a block sent again is the same or some days of it."""
        first_tries: dict[str, set[bytes]] = {}
        for token, block in self._store.attempts:
            first_try = first_tries.setdefault(token, set(block.splitlines()))
            assert first_try.issuperset(block.splitlines()) or first_try.issubset(block.splitlines()), token
        ranges = [(*map(int, t.split(":")[3:4]), *map(int, t.split(":")[4].split("-"))) for t in first_tries]
        for (partition, _, end), (next_partition, start, _) in pairwise(sorted(ranges)):
            assert partition != next_partition or end <= start, "two blocks overlap"


def test_any_schedule_ends_with_the_store_holding_what_the_log_says() -> None:
    given = os.environ.get("CONSUMER_SEED")
    first = random.SystemRandom().randrange(2**32) if given is None else int(given)
    for seed in range(first, first + (SCHEDULES if given is None else 1)):
        with capture_logs() as logs:
            try:
                run_in_virtual_time(Schedule(seed).run())
            except BaseException as error:
                error.add_note(f"CONSUMER_SEED={seed}")
                raise
        assert "viewer" not in repr(logs)
