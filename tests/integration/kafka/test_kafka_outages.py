"""A broker that is killed, paused and restarted: every client recovers by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.range_reads import end_offsets
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from siddes_telemetry.backends.ports.log import Committed, OwnedPartition
from tests.infrastructure.kafka import LocalKafka
from tests.integration.kafka.kit import (
    HEADERS,
    Hands,
    appending,
    fetch_values,
    make_group_consumer,
    make_topic,
    pingable,
    running,
    shared_requests,
    soon,
    unpingable,
    until,
)

pytestmark = pytest.mark.servers


class Following:
    """Work that goes on from what is committed and commits what it saw; `seen` by partition and offset."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], bytes] = {}

    async def __call__(self, partition: OwnedPartition) -> None:
        committed = await partition.committed()
        await partition.seek(committed.offset if committed else 0)
        while True:
            for record in await partition.fetch():
                self.seen[partition.number, record.offset] = record.value
            await partition.commit_offset(record.offset + 1, "seen")


async def test_a_killed_broker_comes_back_and_everything_goes_on(own_kafka: LocalKafka) -> None:
    partitions = range(6)
    await make_topic(own_kafka.bootstrap, "log", len(partitions))
    consumer, following = make_group_consumer(own_kafka.bootstrap, "log", "group"), Following()
    answered: list[bytes] = []
    enough = asyncio.Event()

    async with appending(own_kafka.bootstrap, "log", len(partitions)) as appender, running(consumer, following):

        async def append(partition: int) -> None:
            number = 0
            while not enough.is_set():
                value = b"%d:%d" % (partition, number)
                number += 1
                try:
                    await appender.append(partition, value, HEADERS)
                except LogUnavailable:
                    continue
                answered.append(value)

        appends = [asyncio.ensure_future(append(partition)) for partition in partitions]
        await until(lambda: len(following.seen) > 100)
        shared = shared_requests(appender)
        await until(lambda: len(shared()) > 100)
        await asyncio.to_thread(own_kafka.kill)
        await unpingable(appender)
        await unpingable(consumer)
        await asyncio.to_thread(own_kafka.start)
        before = len(answered)
        await until(lambda: len(answered) > before + 100)
        enough.set()
        await soon(asyncio.gather(*appends))
        await pingable(appender)
        await pingable(consumer)
        await until(lambda: set(answered) <= set(following.seen.values()))
    assert len(following.seen) == len(set(following.seen.values()))  # none was appended twice


async def test_a_record_that_is_sent_again_and_again_is_kept_once(
    own_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.connection.REQUEST_S", 1.0)
    await make_topic(own_kafka.bootstrap, "log", 1)
    hands = Hands()
    async with (
        appending(own_kafka.bootstrap, "log", 1) as appender,
        running(make_group_consumer(own_kafka.bootstrap, "log", "group"), hands),
    ):
        await soon(appender.append(0, b"before", HEADERS))
        partition = await hands.next()
        await partition.seek(0)
        own_kafka.pause()
        try:
            producer = appender._session.result().producer
            waiting = asyncio.ensure_future(appender.append(0, b"patience", HEADERS))
            await until(lambda: producer.resent > 1)
        finally:
            own_kafka.resume()
        await soon(waiting)
        await soon(appender.append(0, b"after", HEADERS))
        log = TopicPartition("log", 0)
        assert await end_offsets(KafkaConnection(own_kafka.bootstrap), [log]) == {log: 3}
        await until(lambda: 0 in hands.held)
        await hands.held[0].seek(0)
        assert await fetch_values(hands.held[0], 3) == [b"before", b"patience", b"after"]


async def test_an_unanswered_commit_is_given_up_and_the_partition_taken_anew(
    own_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.owned_partition.COMMIT_S", 0.5)
    await make_topic(own_kafka.bootstrap, "log", 1)
    lives: list[Committed | None] = []
    paused = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        lives.append(await partition.committed())
        if len(lives) == 1:
            await partition.commit_offset(1, "first")
            own_kafka.pause()
            paused.set()
        await partition.commit_offset(2, "second")
        await asyncio.Event().wait()

    async with running(make_group_consumer(own_kafka.bootstrap, "log", "group"), work):
        await soon(paused.wait())
        await asyncio.sleep(1)
        own_kafka.resume()
        await until(lambda: len(lives) == 2)
    assert lives[0] is None
    assert lives[1] in (Committed(1, "first"), Committed(2, "second"))  # it may have taken effect all the same


async def test_a_member_that_starts_before_its_broker_joins_when_that_is_there(
    kafka_jars: Path, tmp_path: Path
) -> None:
    broker = LocalKafka(jars=kafka_jars, folder=tmp_path)
    consumer, hands = make_group_consumer(broker.bootstrap, "log", "group"), Hands()
    async with appending(broker.bootstrap, "log") as appender, running(consumer, hands):
        waiting = asyncio.ensure_future(appender.append(0, b"early", HEADERS))
        with pytest.raises(LogUnavailable):
            await consumer.ping()
        with broker:
            with pytest.raises(LogMissing):  # the first answer: migrate has not run yet
                await soon(waiting)
            await make_topic(broker.bootstrap, "log")
            await pingable(appender)
            await soon(appender.append(0, b"early", HEADERS))
            await until(lambda: len(hands.held) == 2)
            await pingable(consumer)


async def test_no_topic_is_made_by_asking_for_it(kafka_jars: Path, tmp_path: Path) -> None:
    creating = {"auto.create.topics.enable": "true"}  # Kafka's default
    with LocalKafka(jars=kafka_jars, folder=tmp_path, settings=creating) as broker:
        consumer = make_group_consumer(broker.bootstrap, "log", "group")
        async with appending(broker.bootstrap, "log") as appender, running(consumer, Hands()):
            with pytest.raises(LogMissing):
                await soon(appender.append(0, b"x", HEADERS))
            await until(lambda: consumer._consumer is not None)
            with pytest.raises(LogMissing):
                await consumer.ping()
            async with KafkaConnection(broker.bootstrap).reading_consumer("log") as consumer:
                consumer.assign([TopicPartition("log", 0)])
                await consumer.getmany(timeout_ms=1000)
                assert "log" not in await consumer.topics()
