from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES
from siddes_telemetry.backends.kafka.range_reads import end_offsets, read_range
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import HEADERS, WAIT_S, appending, make_topic, missing, pingable, shared_requests, soon

pytestmark = pytest.mark.servers


async def records_of(bootstrap: str, topic: str, partition: int = 0) -> list[Any]:
    key = TopicPartition(topic, partition)
    ends = await end_offsets(KafkaConnection(bootstrap), [key])
    return [record async for piece in read_range(KafkaConnection(bootstrap), key, 0, ends[key]) for record in piece]


async def test_an_appended_record_has_its_bytes_headers_and_the_brokers_time(kafka_bootstrap: str, topic: str) -> None:
    async with appending(kafka_bootstrap, topic) as appender:
        await soon(appender.append(1, b"a\n", HEADERS))
        await soon(appender.append(1, b"b\n", ()))
    first, second = await records_of(kafka_bootstrap, topic, 1)
    assert (first.offset, first.value, tuple(first.headers)) == (0, b"a\n", HEADERS)
    assert (second.offset, second.value, tuple(second.headers)) == (1, b"b\n", ())
    log_append_time = 1
    assert first.timestamp_type == log_append_time
    assert first.timestamp <= second.timestamp


async def test_a_record_of_half_a_mebibyte_fits_and_one_beyond_a_request_is_refused_alone(
    kafka_bootstrap: str, topic: str
) -> None:
    async with appending(kafka_bootstrap, topic) as appender:
        await soon(asyncio.gather(*(appender.append(0, bytes([i]) * 512 * 1024, HEADERS) for i in range(3))))
        with pytest.raises(ValueError, match="larger than a request"):
            await appender.append(0, bytes(MAX_REQUEST_BYTES), HEADERS)
        await soon(appender.append(0, b"after", HEADERS))
    assert len(await records_of(kafka_bootstrap, topic)) == 4


async def test_sequence_numbers_begin_anew_after_the_last(kafka_bootstrap: str, topic: str) -> None:
    async with appending(kafka_bootstrap, topic) as appender:
        await soon(appender.append(1, b"connected", HEADERS))
        appender._session.result().producer._partitions[0].sequence = (
            2**31 - 1
        )  # of a partition it has written nothing to
        for value in (b"last", b"first", b"second"):
            await soon(appender.append(0, value, HEADERS))
    assert [record.value for record in await records_of(kafka_bootstrap, topic)] == [b"last", b"first", b"second"]


@pytest.mark.parametrize(
    ("sequence", "error"),
    [
        pytest.param(8, LogUnavailable, id="the broker refuses it, as after a lost batch"),
        pytest.param(2**40, OverflowError, id="nobody foresaw it"),
    ],
)
async def test_an_append_that_fails_costs_one_producer(
    kafka_bootstrap: str, topic: str, sequence: int, error: type[Exception]
) -> None:
    registry = CollectorRegistry()
    async with appending(kafka_bootstrap, topic, registry=registry) as appender:
        await soon(appender.append(0, b"first", HEADERS))
        appender._session.result().producer._partitions[0].sequence = sequence  # 1 would be right
        with pytest.raises(error):
            await soon(appender.append(0, b"failed", HEADERS))
        await soon(appender.append(0, b"next", HEADERS))
    assert registry.get_sample_value("siddes_kafka_producer_rebuilds_total") == 1
    assert [record.value for record in await records_of(kafka_bootstrap, topic)] == [b"first", b"next"]


async def test_records_that_share_a_request_are_kept_and_answered_one_by_one(kafka_bootstrap: str) -> None:
    topic, partitions = fresh("log"), range(6)
    await make_topic(kafka_bootstrap, topic, len(partitions))
    async with appending(kafka_bootstrap, topic, len(partitions)) as appender:

        async def to_all(value: bytes) -> list[type[BaseException] | None]:
            appends = [appender.append(each, value, HEADERS) for each in partitions]
            async with asyncio.timeout(WAIT_S):
                raised = await asyncio.gather(*appends, return_exceptions=True)
            return [None if each is None else type(each) for each in raised]

        assert await to_all(b"0") == [None] * 6
        shared = shared_requests(appender)
        assert await to_all(b"1") == [None] * 6
        appender._session.result().producer._partitions[
            4
        ].sequence += 7  # the broker refuses what comes, in whatever company
        assert await to_all(b"2") == [None, None, None, None, LogUnavailable, None]
        assert len(shared()) >= 2
    for partition in partitions:
        values = [record.value for record in await records_of(kafka_bootstrap, topic, partition)]
        assert values == [b"0", b"1"] + [b"2"] * (partition != 4)


def test_a_connection_that_broke_a_moment_ago_costs_repetitions(kafka_bootstrap: str) -> None:
    topic, breaks, partitions = fresh("log"), 4, range(6)

    async def append_after_breaks() -> None:
        await make_topic(kafka_bootstrap, topic, len(partitions))
        async with appending(kafka_bootstrap, topic, len(partitions)) as appender:
            for turns in range(breaks):  # of the loop, until aiokafka's reader has heard of it
                first = [appender.append(each, b"%d a" % turns, HEADERS) for each in partitions]
                await soon(asyncio.gather(*first))
                for connection in appender._session.result().producer.client._conns.values():
                    connection._reader.feed_data(bytes(2))  # half an answer, so that it does not look ended
                    connection._writer.transport.abort()
                for _ in range(turns):
                    await asyncio.sleep(0)
                rest = [
                    appender.append(each, b"%d " % turns + it, HEADERS) for it in (b"b", b"c") for each in partitions
                ]
                await soon(asyncio.gather(*rest))
        for partition in partitions:
            values = [record.value for record in await records_of(kafka_bootstrap, topic, partition)]
            assert values == [b"%d %c" % (turns, each) for turns in range(breaks) for each in b"abc"]

    uvloop.run(append_after_breaks())  # as the services run: asyncio's own loop drops such a write without a word


async def test_who_stops_waiting_leaves_nothing_half_done(kafka_bootstrap: str, topic: str) -> None:
    registry = CollectorRegistry()
    async with appending(kafka_bootstrap, topic, registry=registry) as appender:
        await soon(appender.append(0, b"first", HEADERS))
        waiting = asyncio.ensure_future(appender.append(0, b"given up", HEADERS))
        queued = asyncio.ensure_future(appender.append(0, b"behind it", HEADERS))
        await asyncio.sleep(0)  # the first one is sent, and its answer not here yet
        waiting.cancel()
        with pytest.raises(LogUnavailable):  # its sequence number may have been taken: it would be kept as a repetition
            await soon(queued)
        await soon(appender.append(0, b"next", HEADERS))
    values = [record.value for record in await records_of(kafka_bootstrap, topic)]
    assert len(values) == len(set(values))
    assert (values[0], values[-1]) == (b"first", b"next")
    assert registry.get_sample_value("siddes_kafka_producer_rebuilds_total") == 1


async def test_a_missing_topic_is_said_to_be_missing_and_not_made(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    async with appending(kafka_bootstrap, topic) as appender:
        with pytest.raises(LogMissing):
            await soon(appender.append(0, b"x", HEADERS))
        await missing(appender)
        async with KafkaConnection(kafka_bootstrap).reading_consumer(topic) as consumer:
            assert topic not in await consumer.topics()
        await make_topic(kafka_bootstrap, topic)
        await pingable(appender)
        await soon(appender.append(0, b"x", HEADERS))


async def test_a_topic_with_fewer_partitions_than_set_is_not_ready(kafka_bootstrap: str, topic: str) -> None:
    async with appending(kafka_bootstrap, topic, partitions=3) as appender:
        await soon(appender.append(1, b"x", HEADERS))
        await missing(appender)
        with pytest.raises(LogMissing):
            await appender.append(2, b"x", HEADERS)
        await make_topic(kafka_bootstrap, topic, 3)
        await pingable(appender)
        await soon(appender.append(2, b"x", HEADERS))


async def test_it_starts_without_a_broker_and_ends_without_one(unused_tcp_port: int) -> None:
    async with appending(f"127.0.0.1:{unused_tcp_port}", "t") as appender:
        with pytest.raises(LogUnavailable):
            await appender.ping()
        waiting = asyncio.ensure_future(appender.append(0, b"x", HEADERS))
        await asyncio.sleep(0)
    with pytest.raises(LogUnavailable):
        await soon(waiting)
