"""Processes and servers are killed or frozen at random moments."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from tests.faults.loaded_cluster import PAST_SESSION_S, Case, LoadedCluster
from tests.infrastructure.kafka_cluster import SESSION_S
from tests.infrastructure.local import LocalServer

KILLS = 2
FREEZES = 2
STORE_KILLS = 6  # each may hit between two writes of one part


async def killed(cluster: LoadedCluster, *, names: Sequence[str]) -> None:
    """One of these, twice."""
    for _ in range(KILLS):
        name = cluster.rng.choice(names)
        await cluster.any_moment()
        await cluster.kill(name)
        await cluster.start_ready(name)
        await cluster.flows()


async def frozen(cluster: LoadedCluster, *, names: Sequence[str]) -> None:
    """One of these, for longer than a session."""
    await cluster.any_moment()
    await cluster.freeze(cluster.rng.choice(names), PAST_SESSION_S + 5 * cluster.rng.random())


async def all_consumers_killed(cluster: LoadedCluster) -> None:
    """Both at once: no consumer is left to take over."""
    await cluster.any_moment()
    await asyncio.gather(cluster.kill("consumer"), cluster.kill("consumer-2"))
    await cluster.flows()
    cluster.start("consumer")
    cluster.start("consumer-2")


async def server_killed(cluster: LoadedCluster, *, which: str) -> None:
    """The broker or ClickHouse, twice."""
    for _ in range(KILLS):
        await cluster.any_moment()
        await killed_and_started_again(cluster, server(cluster, which))
        await cluster.flows()


async def server_frozen(cluster: LoadedCluster, *, which: str) -> None:
    """The broker or ClickHouse, for longer than a session."""
    await cluster.any_moment()
    cluster.injected += 1
    await asyncio.to_thread(server(cluster, which).pause)
    await asyncio.sleep(PAST_SESSION_S + 5 * cluster.rng.random())
    server(cluster, which).resume()


async def one_of_three_brokers_frozen(cluster: LoadedCluster) -> None:
    """One and then another, for a while: from too short for its leaders to move to well beyond that."""
    brokers = list(cluster.servers.kafka_cluster.brokers.values())
    for broker in cluster.rng.sample(brokers, FREEZES):
        await cluster.any_moment()
        cluster.injected += 1
        await asyncio.to_thread(broker.pause)
        try:
            await asyncio.sleep(cluster.rng.uniform(0.3, 5) * SESSION_S)
        finally:
            broker.resume()
        await cluster.flows()


async def store_killed_many_times(cluster: LoadedCluster) -> None:
    """ClickHouse with small blocks, so that it dies at any point of writing a part."""
    for _ in range(STORE_KILLS):
        await asyncio.sleep(cluster.rng.random())
        await killed_and_started_again(cluster, cluster.servers.clickhouse)


async def anything(cluster: LoadedCluster) -> None:
    """A broker, a store, a gateway and a consumer in random order, the next before all have recovered."""
    which = ["broker", "store", "gateway", "gateway-2", "consumer", "consumer-2"]
    cluster.rng.shuffle(which)
    for name in which:
        await asyncio.sleep(3 * cluster.rng.random())
        if name in {"broker", "store"}:
            await killed_and_started_again(cluster, server(cluster, name))
        elif cluster.rng.random() < 0.3:
            await cluster.freeze(name, PAST_SESSION_S * cluster.rng.random())
        else:
            await cluster.kill(name)
            cluster.start(name)


def server(cluster: LoadedCluster, which: str) -> LocalServer:
    return {"broker": cluster.servers.kafka, "store": cluster.servers.clickhouse}[which]


async def killed_and_started_again(cluster: LoadedCluster, which: LocalServer) -> None:
    cluster.injected += 1
    await asyncio.to_thread(which.kill)
    await asyncio.to_thread(which.start)


GATEWAYS, CONSUMERS = ("gateway", "gateway-2"), ("consumer", "consumer-2")
CASES = (
    Case("gateway_killed", "gateway killed", partial(killed, names=GATEWAYS), short=True, gateways=2),
    Case("gateway_frozen", "gateway frozen", partial(frozen, names=GATEWAYS), gateways=2),
    Case("consumer_killed", "consumer killed", partial(killed, names=CONSUMERS)),
    Case("consumers_killed_at_once", "consumer killed", all_consumers_killed),
    Case("consumer_frozen", "consumer frozen, past its session", partial(frozen, names=CONSUMERS)),
    Case("broker_killed", "broker killed", partial(server_killed, which="broker")),
    Case("broker_frozen", "broker frozen", partial(server_frozen, which="broker")),
    Case("one_of_three_brokers_frozen", "broker frozen, of three", one_of_three_brokers_frozen, three_brokers=True),
    Case("store_killed", "ClickHouse killed", partial(server_killed, which="store")),
    Case("store_frozen", "ClickHouse frozen", partial(server_frozen, which="store")),
    Case("store_killed_many_times", "ClickHouse killed", store_killed_many_times, short=True, block_rows=20),
    Case("anything", "all of these at once", anything, gateways=2),
)
