"""Read-only views of a topic and of what a group has committed: a LogView, for those who are not in the group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from siddes_telemetry.backends.kafka.aiokafka_internals import partitions_of_topic
from siddes_telemetry.backends.kafka.connection import KafkaConnection, reading_rights
from siddes_telemetry.backends.kafka.errors import answered_in_time
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.kafka.fetched_records import to_log_records
from siddes_telemetry.backends.kafka.offset_commit import OffsetCommitter
from siddes_telemetry.backends.kafka.range_reads import read_range
from siddes_telemetry.backends.ports.errors import LogMissing
from siddes_telemetry.backends.ports.log import Committed, PartitionView
from siddes_telemetry.schemas.record import LogRecord

ORIGIN = 0  # Kafka's first offset


class KafkaPartitionView:
    """A PartitionView. The consumer is started. `rights`: those that its requests need."""

    def __init__(
        self,
        connection: KafkaConnection,
        partition: TopicPartition,
        consumer: AIOKafkaConsumer,
        committer: OffsetCommitter,
        rights: Rights,
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._consumer = consumer
        self._committer = committer
        self._rights = rights

    @property
    def number(self) -> int:
        return int(self._partition.partition)

    async def committed(self) -> Committed | None:
        async with self._request():
            return await self._committer.committed(self._partition)

    async def bounds(self) -> tuple[int, int]:
        async with self._request():
            first = await self._consumer.beginning_offsets([self._partition])
            end = await self._consumer.end_offsets([self._partition])
            return first[self._partition], end[self._partition]

    async def offset_at(self, appended_at_ms: int) -> int | None:
        async with self._request():
            found = await self._consumer.offsets_for_times({self._partition: max(0, appended_at_ms)})
        offset = found[self._partition]
        return None if offset is None else int(offset.offset)

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for piece in read_range(self._connection, self._partition, start, end):
            yield to_log_records(piece)

    def _request(self) -> AbstractAsyncContextManager[None]:
        """Bounds a request's time and translates the driver's errors."""
        return answered_in_time(self._rights)


class KafkaLogView:
    """A LogView. `open_log_view` makes one."""

    origin = ORIGIN

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        consumer: AIOKafkaConsumer,
        committer: OffsetCommitter,
        rights: Rights,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._consumer = consumer
        self._committer = committer
        self._rights = rights

    async def partitions(self) -> Sequence[PartitionView]:
        async with answered_in_time(self._rights):
            numbers = await partitions_of_topic(self._consumer, self._topic)
        if not numbers:
            raise LogMissing("the topic is missing: run migrate")
        return [
            KafkaPartitionView(
                self._connection, TopicPartition(self._topic, number), self._consumer, self._committer, self._rights
            )
            for number in numbers
        ]


@asynccontextmanager
async def open_log_view(connection: KafkaConnection, topic: str, group: str) -> AsyncIterator[KafkaLogView]:
    """A view of this topic and of the offsets that this group has committed. Raises LogUnavailable."""
    async with connection.reading_consumer(topic, group=group) as consumer:
        yield KafkaLogView(connection, topic, consumer, OffsetCommitter(consumer, group), reading_rights(topic, group))
