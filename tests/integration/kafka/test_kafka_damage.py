"""Foreign and damaged bytes in a real broker's log: the records around them are read."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.fetched_records import to_log_records
from siddes_telemetry.backends.kafka.range_reads import read_range
from siddes_telemetry.backends.kafka.rebalance import GroupTimes
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.schemas.record import Defect, LogRecord
from tests.fakes.raw_batches import GZIP, LZ4, SNAPPY, ZSTD, batch, lz4, sealed, send, xerial, zlib_gzip, zstd
from tests.infrastructure.kafka import LocalKafka
from tests.integration.kafka.kit import (
    HEADERS,
    WAIT_S,
    Hands,
    appending,
    make_group_consumer,
    make_topic,
    running,
    soon,
)

pytestmark = pytest.mark.servers
QUICK_STALL = GroupTimes(session_s=6.0, rebalance_s=10.0, release_s=5.0, stall_s=1.0)


async def fetched(partition: OwnedPartition, end: int) -> list[LogRecord]:
    """All records until the position has reached `end`."""
    await partition.seek(0)
    records: list[LogRecord] = []
    async with asyncio.timeout(WAIT_S):
        while partition.position < end:
            records += await partition.fetch()
    return records


async def both_ways(bootstrap: str, topic: str, end: int) -> list[LogRecord]:
    """The records of partition 0 up to `end`, checked to be the same for a group member and for a range read."""
    async with running(make_group_consumer(bootstrap, topic, topic), hands := Hands()):
        while (partition := await hands.next()).number != 0:
            pass
        records = await fetched(partition, end)
    pieces = [
        to_log_records(piece)
        async for piece in read_range(KafkaConnection(bootstrap), TopicPartition(topic, 0), 0, end)
    ]
    assert [record for piece in pieces for record in piece] == records
    return records


@pytest.mark.parametrize(("codec", "compress"), [(GZIP, zlib_gzip), (SNAPPY, xerial), (LZ4, lz4), (ZSTD, zstd)])
async def test_batches_of_every_codec_are_read(
    kafka_bootstrap: str, topic: str, codec: int, compress: Callable[[bytes], bytes]
) -> None:
    await send(kafka_bootstrap, topic, batch(0, [b"a", b"b"], codec=codec, body=compress, flags=0))
    records = await both_ways(kafka_bootstrap, topic, 2)
    assert [(record.value, record.defect) for record in records] == [(b"a", None), (b"b", None)]


async def test_what_a_broker_takes_and_nobody_can_read_is_passed_by(kafka_bootstrap: str, topic: str) -> None:
    wrong_offset = batch(0, [b"a"], flags=0)
    wrong_offset[64] = 126
    await send(
        kafka_bootstrap,
        topic,
        batch(0, [b"good"], flags=0),
        batch(0, [b"a", b"b"], flags=0, body=lambda body: body.replace(b"schema", b"sche\xffa")),
        batch(0, [bytes(64 * 2**20)], codec=ZSTD, body=zstd, flags=0),
        sealed(wrong_offset),
        batch(0, [b"last"], flags=0),
    )
    records = await both_ways(kafka_bootstrap, topic, 6)
    assert [(record.offset, record.defect) for record in records] == [
        (0, None),
        (1, Defect("corrupt_batch", 3)),
        (3, Defect("batch_too_large", 4)),
        (4, Defect("corrupt_batch", 5)),
        (5, None),
    ]


async def test_transactions_are_marked_whatever_became_of_them_and_their_ends_are_no_records(
    kafka_bootstrap: str, topic: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"kept", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"open", partition=0)
        async with appending(kafka_bootstrap, topic) as appender:
            await soon(appender.append(0, b"ours", HEADERS))
        async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
            while (partition := await hands.next()).number != 0:
                pass
            records = await fetched(partition, 6)
            assert [(record.offset, record.value, record.defect) for record in records] == [
                (0, b"kept", Defect("transactional", 1)),
                (2, b"aborted", Defect("transactional", 3)),
                (4, b"open", Defect("transactional", 5)),
                (5, b"ours", None),
            ]
            await producer.abort_transaction()
            async with asyncio.timeout(WAIT_S):
                assert await partition.fetch() == []
            assert partition.position == 7, "the end of the transaction is passed, though it is no record"


async def test_a_checksum_that_went_wrong_on_disk_costs_its_batch(own_kafka: LocalKafka) -> None:
    await make_topic(own_kafka.bootstrap, "log", 1)
    await send(own_kafka.bootstrap, "log", *[batch(0, [b"%d" % number], flags=0) for number in range(4)])
    damage(own_kafka, number=2, at=70, with_bytes=b"\xee")
    records = await both_ways(own_kafka.bootstrap, "log", 4)
    assert [(r.offset, r.defect) for r in records] == [(0, None), (1, None), (2, Defect("corrupt_batch", 3)), (3, None)]


@pytest.mark.parametrize("length", [3, 10**6], ids=["too short", "too long"])
async def test_where_a_broker_cannot_read_its_own_log_only_that_partition_halts(
    own_kafka: LocalKafka, length: int
) -> None:
    await make_topic(own_kafka.bootstrap, "log", 2)
    await send(own_kafka.bootstrap, "log", *[batch(0, [b"%d" % number], flags=0) for number in range(4)])
    whole = segment(own_kafka).read_bytes()
    damage(own_kafka, number=2, at=8, with_bytes=struct.pack(">i", length))
    consumer = make_group_consumer(own_kafka.bootstrap, "log", "group", times=QUICK_STALL)
    async with running(consumer, hands := Hands()):
        held = {partition.number: partition for partition in [await hands.next(), await hands.next()]}
        records = await fetched(held[0], 2)
        assert [record.offset for record in records] == [0, 1]
        async with asyncio.timeout(WAIT_S):
            (halting,) = await held[0].fetch()
        assert (halting.offset, halting.defect) == (2, Defect("log_damaged", 3))

        await send(own_kafka.bootstrap, "log", batch(0, [b"other"], flags=0), partition=1)
        assert [record.value for record in await fetched(held[1], 1)] == [b"other"]
        assert hands.events == [" begins 0", " begins 1"], "nobody left the group"

        segment(own_kafka).write_bytes(whole)
        await held[0].seek(2)
        async with asyncio.timeout(WAIT_S):
            assert [record.offset for record in await held[0].fetch()] == [2, 3]


def segment(kafka: LocalKafka) -> Path:
    return kafka.folder / "data" / "log-0" / "00000000000000000000.log"


def damage(kafka: LocalKafka, *, number: int, at: int, with_bytes: bytes) -> None:
    """Overwrite bytes of one of several record batches of the same size in the broker's file."""
    size = len(batch(0, [b"0"], flags=0))
    with segment(kafka).open("r+b") as file:
        file.seek(number * size + at)
        file.write(with_bytes)
