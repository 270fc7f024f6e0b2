"""Three brokers are stopped, killed, frozen and moved, alone and together, while operators go on working."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.loaded_cluster import Case, LoadedCluster
from tests.infrastructure.kafka_cluster import SESSION_S, ClusterBroker
from tests.infrastructure.kafka_view import coordinator, view
from tests.product.process import run

FAULTS = 4  # of those below, the next sometimes before all have recovered
WAITED_FOR = 0.7  # the share of faults after which the brokers recover before the next one
DRAIN_DELAY_S = "3"
MORE_DESCRIPTORS = 16  # of a process after all this: connections to every broker may be there, and nothing more

Fault = Callable[[LoadedCluster], Awaitable[None]]


def shuffled(cluster: LoadedCluster) -> list[ClusterBroker]:
    brokers = list(cluster.servers.kafka_cluster.brokers.values())
    cluster.rng.shuffle(brokers)
    return brokers


@asynccontextmanager
async def frozen(cluster: LoadedCluster, brokers: Sequence[ClusterBroker], seconds: float) -> AsyncIterator[None]:
    """The context begins with the freeze, and ends after it."""
    cluster.injected += 1
    ends_at = asyncio.get_running_loop().time() + seconds
    for broker in brokers:
        await asyncio.to_thread(broker.pause)
    try:
        yield
        await asyncio.sleep(ends_at - asyncio.get_running_loop().time())
    finally:
        for broker in brokers:
            broker.resume()


async def rolling_restart(cluster: LoadedCluster) -> None:
    """SIGTERM to one broker after the other, each once the one before is in sync again."""
    for broker in shuffled(cluster):
        cluster.injected += 1
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(cluster.servers.kafka_cluster.heal)


async def leader_and_coordinator_killed(cluster: LoadedCluster) -> None:
    """If they are two of the three, nothing works until one is back."""
    brokers = cluster.servers.kafka_cluster
    await asyncio.to_thread(brokers.heal)
    address = brokers.brokers[1].address
    numbers = {
        await asyncio.to_thread(coordinator, address, cluster.group),
        (await asyncio.to_thread(view, address)).leaders(cluster.topic)[0],
    }
    cluster.injected += 1
    for number in numbers:
        await asyncio.to_thread(brokers.brokers[number].kill)
    await asyncio.sleep(cluster.rng.uniform(0, 3) * SESSION_S)
    await asyncio.to_thread(brokers.start)


async def one_frozen(cluster: LoadedCluster) -> None:
    async with frozen(cluster, shuffled(cluster)[:1], cluster.rng.uniform(0.3, 10) * SESSION_S):
        pass


async def two_frozen(cluster: LoadedCluster) -> None:
    """No majority is left: no leader moves."""
    async with frozen(cluster, shuffled(cluster)[:2], cluster.rng.uniform(0.3, 5) * SESSION_S):
        pass


async def two_moved_to_other_ports(cluster: LoadedCluster) -> None:
    """At once: of the addresses in the settings one is left."""
    cluster.injected += 1
    stays, *moved = cluster.servers.kafka_cluster.brokers.values()
    for broker in moved:
        await asyncio.to_thread(broker.kill)
        broker.move()
    await asyncio.to_thread(cluster.servers.kafka_cluster.start)
    assert stays.address in cluster.deployment.settings["KAFKA"]


async def migrated_while_one_is_frozen(cluster: LoadedCluster) -> None:
    """`migrate` adds a partition. It may give up while the broker is silent, and says so then."""
    partitions = str(int(cluster.deployment.settings["PARTITIONS"]) + 1)
    settings = {**cluster.deployment.settings, "PARTITIONS": partitions}
    async with frozen(cluster, shuffled(cluster)[:1], cluster.rng.uniform(1, 5) * SESSION_S):
        migrated = await asyncio.to_thread(run, "migrate", settings=settings)
    if migrated.returncode:
        await asyncio.to_thread(cluster.servers.kafka_cluster.heal)
        migrated = await asyncio.to_thread(run, "migrate", settings=settings)
    assert migrated.returncode == 0, migrated.stderr


async def services_restarted_while_one_is_frozen(cluster: LoadedCluster) -> None:
    """SIGTERM to a gateway, which has a drain delay, and to a consumer. Both end in order, and start meanwhile."""
    async with frozen(cluster, shuffled(cluster)[:1], cluster.rng.uniform(2, 5) * SESSION_S):
        await cluster.any_moment()
        await asyncio.gather(cluster.stop("gateway-2"), cluster.stop("consumer-2"))
        cluster.start("gateway-2", "--drain-delay", DRAIN_DELAY_S)
        cluster.start("consumer-2")


FAULTS_TO_CHOOSE: Sequence[Fault] = (
    rolling_restart,
    leader_and_coordinator_killed,
    one_frozen,
    two_frozen,
    two_moved_to_other_ports,
    migrated_while_one_is_frozen,
    services_restarted_while_one_is_frozen,
)


async def three_brokers_in_trouble(cluster: LoadedCluster) -> None:
    before = {name: descriptors(cluster, name) for name in ("gateway", "consumer")}  # which live through all of it
    for fault in cluster.rng.sample(FAULTS_TO_CHOOSE, FAULTS):
        await cluster.any_moment()
        await fault(cluster)
        if cluster.rng.random() < WAITED_FOR:
            await asyncio.to_thread(cluster.servers.kafka_cluster.heal)
            await cluster.flows()
    await asyncio.to_thread(cluster.servers.kafka_cluster.heal)
    await cluster.flows()
    for name, were in before.items():
        assert descriptors(cluster, name) <= were + MORE_DESCRIPTORS, name


def descriptors(cluster: LoadedCluster, name: str) -> int:
    """How many of them a process has open."""
    return len(list(Path(f"/proc/{cluster.process(name).pid}/fd").iterdir()))


CASES = (
    Case(
        "three_brokers_in_trouble", "three brokers, anything", three_brokers_in_trouble, three_brokers=True, gateways=2
    ),
)
