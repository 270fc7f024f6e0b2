"""Readiness on three real brokers: the silence of one takes no gateway and no consumer out of service."""

from __future__ import annotations

import asyncio

import pytest

from tests.infrastructure.kafka_cluster import LocalKafkaCluster
from tests.infrastructure.kafka_view import controller, coordinator
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import (
    HEADERS,
    WAIT_S,
    Hands,
    appending,
    make_group_consumer,
    make_topic,
    pingable,
    running,
    unpingable,
)

pytestmark = pytest.mark.servers
PARTITIONS = range(3)  # one replica each, so that each broker leads one of them


async def test_clients_are_ready_until_the_last_broker_is_silent(kafka_cluster: LocalKafkaCluster) -> None:
    topic, replicated, group, bootstrap = fresh("log"), fresh("log"), fresh("group"), kafka_cluster.bootstrap
    troubles, replicated_troubles = [(0, 0)], [(0, 0)]
    await make_topic(bootstrap, topic, len(PARTITIONS))
    await make_topic(bootstrap, replicated, len(PARTITIONS), replication=3)
    consumer = make_group_consumer(bootstrap, topic, group)
    async with (
        appending(bootstrap, topic, len(PARTITIONS), set_troubles=lambda *told: troubles.append(told)) as busy,
        appending(bootstrap, topic, len(PARTITIONS)) as idle,
        appending(
            bootstrap, replicated, len(PARTITIONS), set_troubles=lambda *told: replicated_troubles.append(told)
        ) as led_by_others,
        running(consumer, Hands()),
    ):
        clients = (busy, idle, led_by_others, consumer)
        for client in clients:
            await pingable(client)

        async def append(partition: int) -> None:
            while True:
                await busy.append(partition, b"x", HEADERS)
                await asyncio.sleep(0.02)

        async def stay_ready_until(leaderless: int, under_replicated: int) -> None:
            async with asyncio.timeout(WAIT_S):
                while troubles[-1] != (leaderless, leaderless) or replicated_troubles[-1] != (0, under_replicated):
                    await asyncio.gather(*(client.ping() for client in clients))
                    await asyncio.sleep(0.1)

        appends = [asyncio.ensure_future(append(partition)) for partition in PARTITIONS]
        try:
            asked = kafka_cluster.brokers[1].address
            needed = {await asyncio.to_thread(coordinator, asked, group), await asyncio.to_thread(controller, asked)}
            silent = next(broker for number, broker in kafka_cluster.brokers.items() if number not in needed)
            await asyncio.to_thread(silent.pause)
            await stay_ready_until(1, len(PARTITIONS))
            await asyncio.to_thread(silent.resume)
            await stay_ready_until(0, 0)
            for broker in kafka_cluster.brokers.values():
                await asyncio.to_thread(broker.pause)
            for client in clients:
                await unpingable(client)
        finally:
            for each in appends:
                each.cancel()
            await asyncio.wait(appends)
            await asyncio.to_thread(kafka_cluster.heal)
