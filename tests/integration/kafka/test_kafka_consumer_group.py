from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.rebalance import GroupTimes
from siddes_telemetry.backends.ports.errors import LogMissing, PartitionLost, RecordsGone
from siddes_telemetry.backends.ports.log import Committed, OwnedPartition
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import (
    HEADERS,
    Hands,
    appending,
    delete_records,
    fetch_values,
    make_group_consumer,
    make_topic,
    pingable,
    read_all,
    running,
    soon,
    until,
)

pytestmark = pytest.mark.servers


async def append(bootstrap: str, topic: str, *values: bytes, partition: int = 0) -> None:
    async with appending(bootstrap, topic) as appender:
        for value in values:
            await soon(appender.append(partition, value, HEADERS))


async def take_zero(hands: Hands) -> OwnedPartition:
    while (partition := await hands.next()).number != 0:
        pass
    return partition


async def test_a_new_group_has_committed_nothing_and_begins_where_it_is_told(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, b"a", b"b", b"c")
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        assert await partition.committed() is None
        assert await partition.bounds() == (0, 3)
        await partition.seek(0)
        assert await fetch_values(partition, 3) == [b"a", b"b", b"c"]
        assert await partition.high_watermark() == 3


async def test_before_seek_nothing_is_fetched_by_the_driver_itself(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, b"a", b"b")
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        with pytest.raises(RuntimeError, match="seek"):
            await partition.fetch()
        await partition.commit_offset(1, "")
    async with running(consumer := make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        await asyncio.sleep(1)  # long enough for the driver to have fetched from the committed offset
        assert consumer._consumer is not None
        assert not consumer._consumer._fetcher._records
        await partition.seek(0)
        assert await fetch_values(partition, 2) == [b"a", b"b"]


async def test_what_is_committed_comes_back_with_its_metadata(kafka_bootstrap: str, topic: str) -> None:
    metadata = '{"v":1,"end":7}'
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        await partition.commit_offset(3, metadata)
        assert await partition.committed() == Committed(3, metadata)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        assert await (await take_zero(hands)).committed() == Committed(3, metadata)


async def test_fetch_waits_for_the_next_record_and_loses_none_where_the_wait_is_cancelled(
    kafka_bootstrap: str, topic: str
) -> None:
    async with (
        running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()),
        appending(kafka_bootstrap, topic) as appender,
    ):
        partition = await take_zero(hands)
        await partition.seek(0)
        seen: list[bytes] = []

        async def impatient() -> None:
            while len(seen) < 50:
                try:
                    async with asyncio.timeout(0.003):
                        seen.extend(record.value for record in await partition.fetch())
                except TimeoutError:
                    continue

        wanted = [b"%d" % number for number in range(50)]
        reading = asyncio.ensure_future(impatient())
        for value in wanted:
            await appender.append(0, value, HEADERS)
        await soon(reading)
        assert seen == wanted


async def test_read_gives_exactly_the_range_beside_the_stream(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, *(b"%d" % number for number in range(10)))
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        await partition.seek(0)
        assert await fetch_values(partition, 10) == [b"%d" % number for number in range(10)]
        records = await read_all(partition, 2, 5)
        assert [(record.offset, record.value) for record in records] == [(2, b"2"), (3, b"3"), (4, b"4")]
        assert records[0].headers == HEADERS
        assert await read_all(partition, 5, 5) == []
        assert await partition.offset_at(records[0].appended_at_ms) in (0, 1, 2)
        assert await partition.offset_at(records[0].appended_at_ms + 3_600_000) is None
        await append(kafka_bootstrap, topic, b"next")
        assert await fetch_values(partition, 1) == [b"next"]


async def test_records_that_the_log_dropped_are_said_to_be_gone(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, b"a", b"b", b"c", b"d")
    await delete_records(kafka_bootstrap, topic, 0, 2)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        assert await partition.bounds() == (2, 4)
        with pytest.raises(RecordsGone) as gone:
            await read_all(partition, 1, 4)
        assert gone.value.first == 2
        await partition.seek(0)
        with pytest.raises(RecordsGone) as gone:
            await partition.fetch()
        assert gone.value.first == 2
        await partition.seek(2)
        assert await fetch_values(partition, 2) == [b"c", b"d"]


async def test_a_place_beyond_the_log_is_no_place_to_go_on_from(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, b"a")
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await take_zero(hands)
        await partition.seek(5)
        with pytest.raises(PartitionLost):
            await partition.fetch()


async def test_a_member_without_partitions_is_ready_and_one_without_a_topic_waits(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    first, second = (make_group_consumer(kafka_bootstrap, topic, topic) for _ in range(2))
    async with running(first, one := Hands()), running(second, two := Hands()):
        await until(lambda: first._consumer is not None and second._consumer is not None)
        with pytest.raises(LogMissing):
            await first.ping()
        await make_topic(kafka_bootstrap, topic, 1)
        await pingable(first)
        await pingable(second)
        await until(lambda: len(one.held) + len(two.held) == 1)
        await second.ping()


async def test_new_partitions_are_noticed(kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.aiokafka_client.METADATA_MAX_AGE_MS", 500)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        await until(lambda: set(hands.held) == {0, 1})
        await make_topic(kafka_bootstrap, topic, 3)
        await until(lambda: set(hands.held) == {0, 1, 2})


async def test_a_task_that_lost_its_partition_gets_it_again_under_a_new_generation(
    kafka_bootstrap: str, topic: str
) -> None:
    lives = 0
    again = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        nonlocal lives
        if partition.number == 0:
            lives += 1
            if lives == 1:
                raise PartitionLost
            await partition.commit_offset(0, "again")
            again.set()
        await asyncio.Event().wait()

    registry = CollectorRegistry()
    async with running(make_group_consumer(kafka_bootstrap, topic, topic, registry=registry), work):
        await soon(again.wait())
    assert registry.get_sample_value("siddes_kafka_rejoins_total", {"reason": "partition_lost"}) == 1


async def test_any_other_exception_of_a_task_ends_the_run(kafka_bootstrap: str, topic: str) -> None:
    hands = Hands()

    async def work(partition: OwnedPartition) -> None:
        if partition.number == 0:
            await until(lambda: 1 in hands.held)
            raise ZeroDivisionError
        await hands(partition)

    with pytest.raises(ZeroDivisionError):
        await soon(make_group_consumer(kafka_bootstrap, topic, topic).run(work))
    assert hands.events == [" begins 1", " ended 1"]


async def test_a_cancelled_run_lets_its_tasks_commit_first(kafka_bootstrap: str, topic: str) -> None:
    begun = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await partition.commit_offset(partition.number + 10, "stored")

    async with running(make_group_consumer(kafka_bootstrap, topic, topic), work):
        await soon(begun.wait())
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        assert await (await take_zero(hands)).committed() == Committed(10, "stored")


async def test_a_consumer_that_has_fallen_silent_is_made_anew(kafka_bootstrap: str, topic: str) -> None:
    registry = CollectorRegistry()
    times = GroupTimes(session_s=6.0, rebalance_s=10.0, release_s=5.0, stall_s=0.5)
    consumer = make_group_consumer(kafka_bootstrap, topic, topic, times, registry)

    async def work(partition: OwnedPartition) -> None:
        await partition.seek(0)
        seen.extend(record.value for record in await partition.fetch())

    seen: list[bytes] = []
    async with running(consumer, work):
        await pingable(consumer)
        assert consumer._consumer is not None
        consumer._consumer._fetcher._get_actions_per_node = lambda _assignment: ([], {}, 60, False, [])
        await asyncio.sleep(0.5)  # the request under way is answered; no other follows
        await append(kafka_bootstrap, topic, b"a")
        await until(lambda: seen == [b"a"])
    assert registry.get_sample_value("siddes_kafka_rejoins_total", {"reason": "stalled"}) == 1


async def test_a_consumer_that_has_nothing_to_fetch_is_left_alone(kafka_bootstrap: str, topic: str) -> None:
    await append(kafka_bootstrap, topic, b"a")
    registry = CollectorRegistry()
    times = GroupTimes(session_s=6.0, rebalance_s=10.0, release_s=5.0, stall_s=0.2)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic, times, registry), hands := Hands()):
        partition = await take_zero(hands)
        await partition.seek(0)
        await fetch_values(partition, 1)
        waiting = asyncio.ensure_future(fetch_values(partition, 1))
        await asyncio.sleep(5)  # long enough for several looks, and for a second look at one
        await append(kafka_bootstrap, topic, b"b")
        assert await waiting == [b"b"]
    assert registry.get_sample_value("siddes_kafka_rejoins_total", {"reason": "stalled"}) is None
