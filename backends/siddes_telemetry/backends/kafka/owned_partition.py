"""A partition of a topic, owned under one generation of the group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS, asking
from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics
from siddes_telemetry.backends.kafka.offset_commit import CommitRejected, Membership, OffsetCommitter
from siddes_telemetry.backends.kafka.range_reads import (
    PIECE_RECORDS,
    bounds_of,
    offset_at,
    out_of_range,
    read_range,
    to_log_records,
)
from siddes_telemetry.backends.kafka.stalled_partitions import StalledPartitions
from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.schemas.record import LOG_DAMAGED, Defect, LogRecord

COMMIT_S = 5.0  # an answer mostly takes milliseconds; after this the partition is given up
LISTEN_MS = 1000  # one wait for records; fetch waits as often as it takes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MemberTools:
    """What one life of a group member works with. `consumer` is started; `monotonic` is in seconds."""

    connection: KafkaConnection
    consumer: AIOKafkaConsumer
    committer: OffsetCommitter
    metrics: KafkaGroupMetrics
    stalls: StalledPartitions
    monotonic: Callable[[], float]


class KafkaPartition:
    """An OwnedPartition. `fetch` takes from what aiokafka holds ready, which fetches no more until that is taken."""

    def __init__(self, partition: TopicPartition, membership: Membership, tools: MemberTools) -> None:
        self._partition = partition
        self._membership = membership
        self._tools = tools
        self._connection = tools.connection
        self._consumer = tools.consumer
        self._committer = tools.committer
        self._metrics = tools.metrics
        self._monotonic = tools.monotonic
        self._lost = False
        self._position: int | None = None
        self._damaged_at: int | None = None  # the broker gives nothing from this offset on
        self.waiting_since: float | None = None  # when the present wait for records began

    @property
    def number(self) -> int:
        return int(self._partition.partition)

    @property
    def key(self) -> TopicPartition:
        """The partition as the driver names it."""
        return self._partition

    def find_damaged(self, offset: int) -> None:
        """The log has records from here on and gives them to nobody: `fetch` says so, as of a record."""
        self._damaged_at = offset
        self._consumer.pause(self._partition)

    def lose(self) -> None:
        """From now on every call raises PartitionLost."""
        self._lost = True

    async def committed(self) -> Committed | None:
        async with self._asking():
            return await self._committer.committed(self._partition)

    async def commit_offset(self, offset: int, metadata: str) -> None:
        self._check_owned()
        outcome = "unanswered"  # also where the wait for the answer is cancelled
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._committer.commit_offset(self._partition, self._membership, offset, metadata)
            outcome = "kept"
        except CommitRejected as refused:
            outcome = "refused"
            log.warning("commit_refused", partition=self.number, reason=refused.reason)
            raise PartitionLost("the broker refused a commit") from None
        except DRIVER_ERRORS as error:
            log.warning("commit_unanswered", partition=self.number, error=type(error).__name__)
            raise PartitionLost("a commit was not answered") from None
        finally:
            self._lost = self._lost or outcome != "kept"
            self._metrics.commits.labels(outcome).inc()

    async def bounds(self) -> tuple[int, int]:
        async with self._asking():
            return await bounds_of(self._consumer, self._partition)

    async def offset_at(self, appended_at_ms: int) -> int | None:
        async with self._asking():
            return await offset_at(self._consumer, self._partition, appended_at_ms)

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for piece in read_range(self._connection, self._partition, start, end):
            self._check_owned()
            yield to_log_records(piece)

    async def seek(self, offset: int) -> None:
        self._check_owned()
        with self._losing():
            self._consumer.seek(self._partition, offset)
            self._consumer.resume(self._partition)
        self._position, self._damaged_at = offset, None

    @property
    def position(self) -> int:
        if self._position is None:
            raise RuntimeError("seek comes first")
        return self._position

    async def fetch(self) -> Sequence[LogRecord]:
        before = self.position
        self.waiting_since = self._monotonic()
        try:
            while True:
                self._check_owned()
                if before == self._damaged_at:
                    return (LogRecord(before, 0, b"", (), Defect(LOG_DAMAGED, before + 1)),)
                # Nothing is awaited between the taking of records and the return: a cancelled fetch drops none.
                records = await self._take()
                self._check_owned()
                if records or self.position > before:
                    self._tools.stalls.discard(self._partition)
                    return records
        finally:
            self.waiting_since = None

    async def high_watermark(self) -> int:
        self._check_owned()
        heard = self._consumer.highwater(self._partition)
        if heard is not None:
            return int(heard)
        _, end = await self.bounds()
        return end

    async def _take(self) -> Sequence[LogRecord]:
        """What is at hand, or what comes within LISTEN_MS."""
        with self._losing():
            try:
                fetched = await self._consumer.getmany(self._partition, timeout_ms=LISTEN_MS, max_records=PIECE_RECORDS)
                if records := to_log_records(fetched.get(self._partition, ())):
                    self._position = records[-1].end
                else:
                    self._position = await self._consumer.position(self._partition)
                return records
            except OffsetOutOfRangeError:
                position = await self._consumer.position(self._partition)
                raise await out_of_range(self._consumer, self._partition, position) from None

    def _check_owned(self) -> None:
        if self._lost:
            raise PartitionLost

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """What the driver raises inside is the end of this ownership: a new one begins with a look at the log."""
        try:
            yield
        except (*DRIVER_ERRORS, LogUnavailable) as error:
            self._lost = True
            log.warning("partition_given_up", partition=self.number, error=type(error).__name__)
            raise PartitionLost("the log did not answer") from None

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        self._check_owned()
        async with asking():
            yield
        self._check_owned()
