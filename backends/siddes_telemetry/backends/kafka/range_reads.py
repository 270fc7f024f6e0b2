"""Reads exact offset ranges and end offsets of partitions, each over a consumer of its own, outside of any group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.fetched_records import FetchedRecord
from siddes_telemetry.backends.ports.errors import LogStalled, LogUnavailable, RecordsGone

PIECE_RECORDS = 2000  # a record is mostly some kilobytes; FETCH_PARTITION_BYTES bounds a piece as well
ROUND_MS = 1000  # one wait for records
PATIENCE_ROUNDS = 30  # without progress


async def read_range(
    connection: KafkaConnection,
    partition: TopicPartition,
    start: int,
    end: int,
    *,
    patience_rounds: int = PATIENCE_ROUNDS,
) -> AsyncIterator[Sequence[FetchedRecord]]:
    """Yields the records of [start, end) in pieces. Offsets may be missing, the last ones too.

    Raises RecordsGone if the log no longer begins at or before `start`, LogUnavailable if it does not answer,
    LogStalled if it answers and does not reach `end`.
    """
    if start >= end:
        return
    async with connection.reading_consumer(partition.topic) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, start)
        position, rounds = start, 0
        while position < end:
            try:
                fetched = await consumer.getmany(partition, timeout_ms=ROUND_MS, max_records=PIECE_RECORDS)
            except OffsetOutOfRangeError:
                raise await out_of_range_error(consumer, partition, position) from None
            if records := [record for record in fetched.get(partition, ()) if record.offset < end]:
                yield records
            before, position = position, await consumer.position(partition)
            rounds = rounds + 1 if position == before else 0
            if rounds >= patience_rounds:
                raise LogStalled("the log has more records and returns none")


async def out_of_range_error(
    consumer: AIOKafkaConsumer, partition: TopicPartition, position: int
) -> RecordsGone | LogUnavailable:
    """The error for a position that the log does not have: it begins later, or it ends before."""
    first = (await consumer.beginning_offsets([partition]))[partition]
    return RecordsGone(first) if first > position else LogUnavailable("the log ends before the offset to read from")


async def end_offsets(connection: KafkaConnection, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset of each of these partitions of one topic. Raises LogUnavailable."""
    async with connection.reading_consumer(partitions[0].topic) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
        return ends
