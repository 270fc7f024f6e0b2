"""Reading a partition apart from the group's stream: exact ranges, and where it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.record_batches import MarkedRecord
from siddes_telemetry.backends.ports.errors import LogStalled, LogUnavailable, RecordsGone
from siddes_telemetry.schemas.record import Headers, LogRecord

PIECE_RECORDS = 2000  # a record is mostly some kilobytes; a piece is also bounded by FETCH_PARTITION_BYTES
MAX_HEADERS = 100  # of a record: no more are looked at, nor kept. Ours have three
PATIENCE_ROUNDS = 30  # of a second each, without progress


class FetchedRecord(Protocol):
    """What aiokafka's records have, and kafka_batches.MarkedRecord.

    `timestamp` is the broker's, where the topic has LogAppendTime.
    """

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def to_log_records(records: Iterable[FetchedRecord]) -> list[LogRecord]:
    """Records as the ports know them. Neighbours with equal headers share them: to compare them is nothing then."""
    make = tuple.__new__  # half the time of LogRecord's own
    fetched: list[LogRecord] = []
    known: Sequence[tuple[str, bytes | None]] | None = None
    headers: Headers = ()
    for record in records:
        if record.headers != known:
            known = record.headers
            headers = tuple([(key, value or b"") for key, value in islice(known, MAX_HEADERS)])
        defect = record.defect if isinstance(record, MarkedRecord) else None
        fetched.append(make(LogRecord, (record.offset, record.timestamp, record.value or b"", headers, defect)))
    return fetched


async def bounds_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> tuple[int, int]:
    """(first offset the log still has, next offset it will give). Raises the driver's errors."""
    first = await consumer.beginning_offsets([partition])
    end = await consumer.end_offsets([partition])
    return first[partition], end[partition]


async def offset_at(consumer: AIOKafkaConsumer, partition: TopicPartition, appended_at_ms: int) -> int | None:
    """The first offset whose append time is not before this, if there is one. Raises the driver's errors."""
    found = (await consumer.offsets_for_times({partition: max(0, appended_at_ms)}))[partition]
    return None if found is None else int(found.offset)


async def read_range(
    connection: KafkaConnection,
    partition: TopicPartition,
    start: int,
    end: int,
    *,
    patience_rounds: int = PATIENCE_ROUNDS,
) -> AsyncIterator[Sequence[FetchedRecord]]:
    """The records of [start, end), in pieces; offsets may be missing, the last ones too.

    Raises RecordsGone if the log no longer begins at or before `start`, LogUnavailable if it does not answer,
    LogStalled if it answers and does not reach `end`.
    """
    if start >= end:
        return
    async with connection.reading_consumer() as consumer:
        consumer.assign([partition])
        consumer.seek(partition, start)
        position, rounds = start, 0
        while position < end:
            try:
                fetched = await consumer.getmany(partition, timeout_ms=1000, max_records=PIECE_RECORDS)
            except OffsetOutOfRangeError:
                raise await out_of_range(consumer, partition, position) from None
            if records := [record for record in fetched.get(partition, ()) if record.offset < end]:
                yield records
            before, position = position, await consumer.position(partition)
            rounds = rounds + 1 if position == before else 0
            if rounds >= patience_rounds:
                raise LogStalled("the log has more records and gives none")


async def out_of_range(
    consumer: AIOKafkaConsumer, partition: TopicPartition, position: int
) -> RecordsGone | LogUnavailable:
    """What to raise where the log does not have this position: it begins later, or it ends before."""
    first = (await consumer.beginning_offsets([partition]))[partition]
    return RecordsGone(first) if first > position else LogUnavailable("the log ends before the place to read from")


async def ends_of(connection: KafkaConnection, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset each partition will give, asked over connections of its own. Raises LogUnavailable."""
    async with connection.reading_consumer() as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
        return ends
