"""Records as a gateway writes them, and consumer processes over one in-memory log and store, for consumer tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.ports.log import Committed, DeadLetters
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.intent import NO_INTENT
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.consumer.worker import PartitionWorker
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record import Headers, LogRecord
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.registry import Event, Registry
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.latency import Delay, SlowGroupConsumer
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryLog, MemoryPartition
from tests.fakes.memory_store import MemoryStore

SHOWN, ACCEPTED = "suggestion_shown", "suggestion_accepted"
REGISTRY = Registry(1, (Event(SHOWN, 1, "shown", "Shown"), Event(ACCEPTED, 2, "accepted", "Accepted")))
LOG_NAME = "counts"
CLOCK = "clock"
MINUTE_MS = 60_000
DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2
AT_ONCE = FlushPolicy(max_rows=4, max_age_s=0.0)


@dataclass(frozen=True, slots=True)
class Sent:
    """A client batch as a gateway accepts it. `key` is NO_BATCH for single counts."""

    key: bytes
    viewer_id: str
    counts: Mapping[str, int]
    created_at_ms: int


def key(number: int) -> bytes:
    """A distinct batch key for each number."""
    return number.to_bytes(16, "big")


def one(viewer_id: str, created_at_ms: int, *, batch: bytes = NO_BATCH, count: int = 1) -> Sent:
    """A batch of one line."""
    return Sent(batch, viewer_id, {SHOWN: count}, created_at_ms)


def encode(batches: Sequence[Sent], *, revision: int = REGISTRY.revision) -> tuple[bytes, Headers]:
    """Value and headers of the record that holds these batches."""
    values, entries = [], []
    for batch in batches:
        values.append(encode_lines(batch.viewer_id, batch.counts, format_time(batch.created_at_ms)))
        entries.append((batch.key, len(batch.counts)))
    value = b"".join(values)
    return value, encode_headers(revision, value, entries)


def record(offset: int, appended_at_ms: int, *batches: Sent, revision: int = REGISTRY.revision) -> LogRecord:
    """The record as the log gives it."""
    value, headers = encode(batches, revision=revision)
    return LogRecord(offset, appended_at_ms, value, headers)


def written_in(record_format: int, record: LogRecord) -> LogRecord:
    """The record as a gateway of this format writes it."""
    return record._replace(headers=headers_in(record_format, record.headers))


def headers_in(record_format: int, headers: Headers) -> Headers:
    """These headers as a gateway of this format writes them."""
    schema, *others = headers
    return ((schema[0], b"%d.%s" % (record_format, schema[1].partition(b".")[2])), *others)


def bad_record(offset: int, appended_at_ms: int, *batches: Sent) -> LogRecord:
    """A record with these batches that cannot be read: its row count is wrong."""
    value, headers = encode(batches)
    return LogRecord(offset, appended_at_ms, value, tuple((k, b"99" if k == "rows" else v) for k, v in headers))


class Process:
    """One consumer process with its own memory and metrics; a member of the group once it has begun."""

    def __init__(
        self,
        log: MemoryLog,
        store: BlockStore,
        policy: FlushPolicy,
        *,
        delay: Delay = lambda: 0.0,
        dead_letters: DeadLetters | None = None,
        journal: MemoryJournal | None = None,
        seed: int = 0,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._metrics = CollectorRegistry()
        self.slept_s = 0.0  # how long the machine was suspended: only the lease's clock ran
        self.member = log.group_consumer()
        self.group_consumer = SlowGroupConsumer(self.member, delay)
        self.ctx = ConsumerContext(
            store=store,
            dead_letters=dead_letters or log.dead_letters,
            journal=journal or MemoryJournal(),  # its own: another process has to read the log
            registry=REGISTRY,
            log_name=LOG_NAME,
            policy=policy,
            clocks=ConsumerClocks(loop.time, lambda: loop.time() + self.slept_s, lambda: log.now_ms),
            metrics=ConsumerMetrics(self._metrics),
            rng=random.Random(seed),
        )
        self.consumer = Consumer(self.group_consumer, self.ctx)
        self.task: asyncio.Future[None]

    def begin(self) -> Process:
        self.task = asyncio.ensure_future(self.consumer.run())
        return self

    def worker(self, log: MemoryLog, generation: int) -> PartitionWorker:
        """A partition worker of partition 0 outside the group, under this generation."""
        return PartitionWorker(MemoryPartition(log, 0, generation), self.ctx)

    async def stop(self) -> None:
        """Drain and leave."""
        self.consumer.stop()
        await self.task

    async def kill(self) -> None:
        """End the process at once; its memory is lost."""
        self.task.cancel()
        await asyncio.wait({self.task})

    def metric(self, name: str, **labels: str) -> float:
        """The value of a consumer metric, or 0."""
        return self._metrics.get_sample_value(f"siddes_consumer_{name}", labels) or 0.0


class CommitBook(MemoryLog):
    """A MemoryLog that records every commit as (partition, offset, metadata)."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(partitions, now_ms=NOON_MS)
        self.commits: list[tuple[int, int, str]] = []

    def commit_offset(self, number: int, committed: Committed) -> None:
        super().commit_offset(number, committed)
        self.commits.append((number, committed.offset, committed.metadata))


class World:
    """One log, one store, and the processes between them."""

    def __init__(
        self,
        store: MemoryStore,
        *,
        partitions: int = 1,
        policy: FlushPolicy = AT_ONCE,
        journal: MemoryJournal | None = None,
    ) -> None:
        self.log = CommitBook(partitions)
        self.journal = journal  # None: each process has its own, and has to read the log for what others stored
        if journal is not None:
            journal.clock_ms = lambda: self.log.now_ms
        self.store = store
        self.policy = policy
        self._partitions = range(partitions)

    @classmethod
    async def make(
        cls,
        store: MemoryStore | None = None,
        *,
        partitions: int = 1,
        policy: FlushPolicy = AT_ONCE,
        journal: MemoryJournal | None = None,
    ) -> World:
        """A world whose log has an identity."""
        world = cls(store or MemoryStore(), partitions=partitions, policy=policy, journal=journal)
        await world.store.adopt_log(LOG_NAME)
        return world

    def process(
        self, *, delay: Delay = lambda: 0.0, policy: FlushPolicy | None = None, dead_letters: DeadLetters | None = None
    ) -> Process:
        """A process that has not joined the group."""
        return Process(
            self.log,
            self.store,
            policy or self.policy,
            delay=delay,
            dead_letters=dead_letters,
            journal=self.journal,
        )

    def start(
        self, *, delay: Delay = lambda: 0.0, policy: FlushPolicy | None = None, dead_letters: DeadLetters | None = None
    ) -> Process:
        """A new process of the group."""
        return self.process(delay=delay, policy=policy, dead_letters=dead_letters).begin()

    async def append(self, *batches: Sent, partition: int = 0, revision: int = REGISTRY.revision) -> None:
        """Append a record of these batches."""
        await self.log.append(partition, *encode(batches, revision=revision))

    async def let_pass(self, minutes: int, partition: int = 0) -> None:
        """Let time pass in the log: append a single count of CLOCK in each minute."""
        for _ in range(minutes):
            self.log.now_ms += MINUTE_MS
            await self.append(one(CLOCK, self.log.now_ms), partition=partition)

    async def append_viewers(self, *viewers: str) -> None:
        """Append a record of one row for each."""
        for viewer in viewers:
            await self.append(one(viewer, self.log.now_ms))

    async def append_bad(self, *batches: Sent) -> None:
        """Append a record with these batches that cannot be read."""
        unreadable = bad_record(0, 0, *batches)
        await self.log.append(0, unreadable.value, unreadable.headers)

    def viewers(self) -> list[str]:
        """The viewer of each stored row, sorted, without those of `let_pass`."""
        return sorted(row.viewer_id for row in self.store.rows if row.viewer_id != CLOCK)

    def ranges(self) -> list[str]:
        """The range in the token of each attempted insert, in order."""
        return [token.rsplit(":", 1)[1] for token, _ in self.store.attempts]

    def drained(self) -> bool:
        """Whether everything appended is committed, without an intent."""
        return all(self.log.committed(n) == Committed(self.log.partition(n).next, NO_INTENT) for n in self._partitions)
