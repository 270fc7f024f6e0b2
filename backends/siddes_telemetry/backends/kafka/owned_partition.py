"""A partition of a topic, owned under one generation of the group.

    state     event                                            next      does
    PAUSED    seek                                             FETCHING  resumes the partition at that offset
    FETCHING  fetch                                            FETCHING  waits for records, or for offsets without any
    FETCHING  another consumer reads nothing here either       DAMAGED   pauses the partition
    DAMAGED   fetch                                            DAMAGED   returns one record with the defect log_damaged
    DAMAGED   seek                                             FETCHING  resumes the partition at that offset
    any       revoked, or a commit is not confirmed, or the    LOST      every call raises PartitionLost
              driver raises while records are fetched

A partition begins PAUSED and ends LOST. A LOST one is taken again only under a new generation, as another object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS, answered_in_time
from siddes_telemetry.backends.kafka.failure_report import FailureReport
from siddes_telemetry.backends.kafka.fetched_records import to_log_records
from siddes_telemetry.backends.kafka.log_view import KafkaPartitionView
from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics
from siddes_telemetry.backends.kafka.offset_commit import CommitRejected, Membership, OffsetCommitter
from siddes_telemetry.backends.kafka.range_reads import PIECE_RECORDS, out_of_range_error
from siddes_telemetry.backends.kafka.stalled_partitions import StalledPartitions
from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.schemas.record import LOG_DAMAGED, Defect, LogRecord

COMMIT_S = 5.0  # an answer mostly takes milliseconds; after this the partition is given up
LISTEN_MS = 1000  # one wait for records; fetch repeats it until there are some

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MemberContext:
    """What the partitions of one group member share. `consumer` is started; `monotonic` is in seconds."""

    connection: KafkaConnection
    consumer: AIOKafkaConsumer
    committer: OffsetCommitter
    metrics: KafkaGroupMetrics
    stalls: StalledPartitions
    report: FailureReport
    monotonic: Callable[[], float]


class KafkaPartition(KafkaPartitionView):
    """An OwnedPartition. `fetch` takes what aiokafka has prefetched; aiokafka fetches more only after that."""

    def __init__(self, partition: TopicPartition, membership: Membership, context: MemberContext) -> None:
        super().__init__(context.connection, partition, context.consumer, context.committer, context.report.rights)
        self._membership = membership
        self._context = context
        self._lost = False
        self._position: int | None = None  # None until the first seek
        self._damaged_at: int | None = None  # the broker returns nothing from this offset on
        self.waiting_since: float | None = None  # when the present wait for records began

    @property
    def key(self) -> TopicPartition:
        """The partition as aiokafka names it."""
        return self._partition

    def mark_damaged(self, offset: int) -> None:
        """The log has records from this offset on and returns none to any consumer."""
        self._damaged_at = offset
        self._consumer.pause(self._partition)

    def lose(self) -> None:
        """From now on every call raises PartitionLost."""
        self._lost = True

    async def commit_offset(self, offset: int, metadata: str) -> None:
        self._check_owned()
        outcome = "unanswered"  # also if the wait for the answer is cancelled
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._committer.commit_offset(self._partition, self._membership, offset, metadata)
            outcome = "kept"
        except CommitRejected as rejected:
            outcome = "refused"
            self._context.report.refused(rejected)
            log.warning("commit_refused", partition=self.number, reason=rejected.reason)
            raise PartitionLost("the broker rejected a commit") from None
        except DRIVER_ERRORS as error:
            log.warning("commit_unanswered", partition=self.number, error=type(error).__name__)
            raise PartitionLost("a commit was not answered") from None
        finally:
            self._lost = self._lost or outcome != "kept"
            self._context.metrics.commits.labels(outcome).inc()

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        try:
            async for piece in super().read(start, end):
                self._check_owned()
                yield piece
        except LogUnavailable as error:
            raise self._context.report.refused(error) from None

    async def seek(self, offset: int) -> None:
        self._check_owned()
        with self._lost_on_error():
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
        self.waiting_since = self._context.monotonic()
        try:
            while True:
                self._check_owned()
                if before == self._damaged_at:
                    return (LogRecord(before, 0, b"", (), Defect(LOG_DAMAGED, before + 1)),)
                # Nothing is awaited between taking records and returning them: a cancelled fetch drops none.
                records = await self._take()
                self._check_owned()
                if records or self.position > before:
                    self._context.stalls.clear(self._partition)
                    return records
        finally:
            self.waiting_since = None

    async def high_watermark(self) -> int:
        self._check_owned()
        known = self._consumer.highwater(self._partition)
        if known is not None:
            return int(known)
        _, end = await self.bounds()
        return end

    async def _take(self) -> Sequence[LogRecord]:
        """The records that are prefetched, or that arrive within LISTEN_MS."""
        with self._lost_on_error():
            try:
                fetched = await self._consumer.getmany(self._partition, timeout_ms=LISTEN_MS, max_records=PIECE_RECORDS)
                self._context.report.works()
                if records := to_log_records(fetched.get(self._partition, ())):
                    self._position = records[-1].end
                else:
                    self._position = await self._consumer.position(self._partition)
                return records
            except OffsetOutOfRangeError:
                position = await self._consumer.position(self._partition)
                raise await out_of_range_error(self._consumer, self._partition, position) from None

    def _check_owned(self) -> None:
        if self._lost:
            raise PartitionLost

    @contextmanager
    def _lost_on_error(self) -> Iterator[None]:
        """Gives the partition up if the driver raises inside: the next owner begins with a look at the log."""
        try:
            yield
        except (*DRIVER_ERRORS, LogUnavailable) as error:
            self._lost = True
            reason = self._context.report.refused(error).reason
            log.warning("partition_given_up", partition=self.number, error=type(error).__name__, reason=reason)
            raise PartitionLost("the log did not answer") from None

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[None]:
        self._check_owned()
        try:
            async with answered_in_time(self._rights):
                yield
        except LogUnavailable as error:
            raise self._context.report.refused(error) from None
        self._check_owned()
