"""A topic, looked at by somebody who is no member of its group: a LogView."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from siddes_telemetry.backends.kafka.aiokafka_internals import partitions_of_topic
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import asking
from siddes_telemetry.backends.kafka.offset_commit import OffsetCommitter
from siddes_telemetry.backends.kafka.range_reads import bounds_of, offset_at, read_range, to_log_records
from siddes_telemetry.backends.ports.errors import LogMissing
from siddes_telemetry.backends.ports.log import Committed, PartitionView
from siddes_telemetry.schemas.record import LogRecord

ORIGIN = 0  # Kafka's first offset


class KafkaPartitionView:
    """A PartitionView. The consumer is started, and nobody else's."""

    def __init__(
        self,
        connection: KafkaConnection,
        partition: TopicPartition,
        consumer: AIOKafkaConsumer,
        committer: OffsetCommitter,
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._consumer = consumer
        self._committer = committer

    @property
    def number(self) -> int:
        return int(self._partition.partition)

    async def committed(self) -> Committed | None:
        async with asking():
            return await self._committer.committed(self._partition)

    async def bounds(self) -> tuple[int, int]:
        async with asking():
            return await bounds_of(self._consumer, self._partition)

    async def offset_at(self, appended_at_ms: int) -> int | None:
        async with asking():
            return await offset_at(self._consumer, self._partition, appended_at_ms)

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for piece in read_range(self._connection, self._partition, start, end):
            yield to_log_records(piece)


class KafkaLogView:
    """A LogView. `viewing` makes one."""

    origin = ORIGIN

    def __init__(
        self, connection: KafkaConnection, topic: str, consumer: AIOKafkaConsumer, committer: OffsetCommitter
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._consumer = consumer
        self._committer = committer

    async def partitions(self) -> Sequence[PartitionView]:
        async with asking():
            numbers = await partitions_of_topic(self._consumer, self._topic)
        if not numbers:
            raise LogMissing("the topic is not there: run migrate")
        return [
            KafkaPartitionView(self._connection, TopicPartition(self._topic, number), self._consumer, self._committer)
            for number in numbers
        ]


@asynccontextmanager
async def viewing(connection: KafkaConnection, topic: str, group: str) -> AsyncIterator[KafkaLogView]:
    """This topic and what this group has committed of it, for a while. Raises LogUnavailable."""
    async with connection.reading_consumer(group=group) as consumer:
        yield KafkaLogView(connection, topic, consumer, OffsetCommitter(consumer, group))
