"""One of three brokers falls silent: its connections stay open, and nothing answers until the test has ended."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.rebalance import GroupTimes
from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import OwnedPartition
from tests.infrastructure.kafka_cluster import ClusterBroker, LocalKafkaCluster
from tests.infrastructure.kafka_view import Unanswered, coordinator, view
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import HEADERS, WAIT_S, appending, make_group_consumer, make_topic, running, until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

PARTITIONS = 6  # of which each broker leads some
APPENDED_S = 6.0  # twice what is promised: the machine may be busy
STORED_S = 20.0
# A member that is still in the group when it has gone costs the others this much.
PATIENT = GroupTimes(session_s=60.0, rebalance_s=60.0, release_s=5.0, stall_s=60.0)


class Following:
    """Work that goes on from what is committed, and commits what it saw. `seen`: how many records of each partition."""

    def __init__(self) -> None:
        self.seen = Counter[int]()

    async def __call__(self, partition: OwnedPartition) -> None:
        committed = await partition.committed()
        await partition.seek(committed.offset if committed else 0)
        while True:
            records = await partition.fetch()
            await partition.commit_offset(records[-1].offset + 1, "seen")
            self.seen[partition.number] += len(records)


@asynccontextmanager
async def appends(appender: KafkaAppender) -> AsyncIterator[Counter[int]]:
    """One after the other to every partition; how many were answered so far, by partition."""
    answered = Counter[int]()

    async def append(partition: int) -> None:
        while True:
            try:
                await appender.append(partition, b"x", HEADERS)
            except LogUnavailable:
                continue
            answered[partition] += 1
            await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(append(partition)) for partition in range(PARTITIONS)]
    try:
        yield answered
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def coordinator_of(cluster: LocalKafkaCluster, group: str) -> ClusterBroker:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return cluster.brokers[await asyncio.to_thread(coordinator, cluster.brokers[1].address, group)]
            except Unanswered:  # the brokers make the topic of the offsets at the first question
                await asyncio.sleep(0.05)


async def leads_nothing(cluster: LocalKafkaCluster, broker: ClusterBroker) -> None:
    """Wait until another broker says so."""
    asked, _ = cluster.others(broker.number)

    def leads() -> bool:
        try:
            return broker.number in {each.leader for each in view(asked.address).partitions.values()}
        except Unanswered:
            return True

    while await asyncio.to_thread(leads):  # noqa: ASYNC110  # it is another process that knows
        await asyncio.sleep(0.05)


async def test_appends_and_consumers_go_on_soon_after_another_broker_leads(kafka_cluster: LocalKafkaCluster) -> None:
    """The silent broker leads partitions, coordinates the group, and is the only one that the settings name."""
    topic, group = fresh("log"), fresh("group")
    await make_topic(kafka_cluster.bootstrap, topic, PARTITIONS, replication=3)
    following = Following()
    silent = await coordinator_of(kafka_cluster, group)
    async with (
        appending(silent.address, topic, PARTITIONS) as appender,
        running(make_group_consumer(silent.address, topic, group, PATIENT), following),
        appends(appender) as answered,
    ):
        await until(lambda: len(following.seen) == PARTITIONS)
        assert silent.number in view(silent.address).leaders(topic).values()
        await asyncio.to_thread(silent.pause)
        await leads_nothing(kafka_cluster, silent)
        moved_at, before, seen_before = time.monotonic(), answered.copy(), following.seen.copy()
        async with asyncio.timeout(APPENDED_S):
            await until(lambda: all(answered[each] > before[each] + 1 for each in range(PARTITIONS)))
        ends = answered.copy()
        async with asyncio.timeout(moved_at + STORED_S - time.monotonic()):
            await until(lambda: all(following.seen[each] > seen_before[each] for each in range(PARTITIONS)))
            await until(lambda: all(following.seen[each] >= ends[each] for each in range(PARTITIONS)))
