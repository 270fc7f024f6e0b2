"""Changes under load: members, partitions, a server's profile, the block size, a clock."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tests.faults.loaded_cluster import Case, LoadedCluster
from tests.faults.product_overrides import clock_ahead, small_blocks
from tests.faults.proxies.clickhouse import Statement
from tests.faults.proxies.kafka import Api
from tests.faults.proxies.trap import Fate, Stage
from tests.infrastructure.databases import other_user
from tests.product.client import eventually
from tests.product.deployments import migrate

HOUR_S = 3600
LEASE_OVER_S = 65.0  # a lease lasts 60 s
STORED = "siddes_consumer_records_stored_total"


async def first_try_after_the_replay(cluster: LoadedCluster) -> None:
    """A consumer dies during an insert; the next owner replays the block; then the first insert arrives after all."""
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.ARRIVED) as trap:
        await trap.caught()
        await cluster.kill("consumer")
        await cluster.start_ready("consumer")
        await cluster.operator.grows(cluster.process("consumer"), STORED)
        trap.decide(Fate.PASS)


async def other_profile(cluster: LoadedCluster) -> None:
    """The same; the next owner's ClickHouse profile splits inserts and disables deduplication."""
    ours = await asyncio.to_thread(other_user, cluster.deployment.settings["CLICKHOUSE"])
    cluster.deployment.overrides["consumer"]["CLICKHOUSE"] = ours
    await first_try_after_the_replay(cluster)


async def other_policy(cluster: LoadedCluster) -> None:
    """The same; the next owner would cut other blocks."""
    cluster.commands["consumer"] = small_blocks(cluster.rng.choice([7, 50, 1000]))
    await first_try_after_the_replay(cluster)


async def members_come_and_go(cluster: LoadedCluster) -> None:
    """Consumers are added and stopped in order; a gateway is stopped."""
    for name in ("consumer-3", "consumer-4"):
        cluster.injected += 1
        await cluster.start_ready(name)
        await cluster.flows()
    for name in cluster.rng.sample(["consumer", "consumer-2", "consumer-3", "consumer-4"], 3):
        cluster.injected += 1
        await cluster.stop(name)
        await cluster.flows()
    cluster.injected += 1
    await cluster.stop("gateway-2")
    await cluster.flows()
    cluster.load.targets = [cluster.process("gateway").url]


async def partitions_added(cluster: LoadedCluster) -> None:
    """As docs/deployment.md says, while no retry is pending: a retry must go to the partition of its first try."""
    async with cluster.load.held():
        cluster.injected += 1
        cluster.deployment.settings["PARTITIONS"] = "8"
        await asyncio.to_thread(migrate, cluster.deployment)
        for name in ("gateway", "gateway-2"):
            await cluster.stop(name)
            await cluster.start_ready(name)


async def clock_off(cluster: LoadedCluster, *, seconds: int) -> None:
    """A gateway's clock is wrong by an hour: its rows are stored at the log's time."""
    cluster.injected += 1
    cluster.commands["gateway-2"] = clock_ahead(seconds)
    gateway = await cluster.start_ready("gateway-2")
    cluster.load.targets = [gateway.url]
    await cluster.flows()
    consumers = [cluster.process(name) for name in ("consumer", "consumer-2")]

    async def noticed() -> bool:
        counted = [await cluster.operator.metric(each, "siddes_consumer_reclocked_rows_total") for each in consumers]
        return sum(counted) > 0

    await eventually(noticed, lambda: "no row was reclocked")
    ((first, last),) = await cluster.sql.rows(
        "SELECT toUnixTimestamp(min(created_at)), toUnixTimestamp(max(created_at)) FROM telemetry_counts"
    )
    assert time.time() - HOUR_S / 2 < first <= last <= time.time() + 1


async def slept_beyond_the_lease(cluster: LoadedCluster) -> None:
    """A consumer is frozen between intent commit and insert until its lease is over, while others insert."""
    with cluster.log_proxies["consumer"].trap(Api.OFFSET_COMMIT, Stage.ANSWERED) as trap:
        await trap.caught()
        frozen = asyncio.ensure_future(cluster.freeze("consumer", LEASE_OVER_S))
        await asyncio.sleep(0)  # it is stopped
        trap.decide(Fate.PASS)
        await frozen


async def inserted_beyond_the_lease(cluster: LoadedCluster) -> None:
    """The same during its insert, which arrives after the lease is over."""
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.ARRIVED) as trap:
        await trap.caught()
        await cluster.freeze("consumer", LEASE_OVER_S)
        trap.decide(Fate.PASS)


LATE = "first try arrives after the replay"
MEMBERS = "consumers and gateways added and removed in order"
CLOCK = "gateway's clock off by an hour"
LEASE = "consumer asleep beyond its lease"
_alone = partial(Case, consumers=1, partitions=1, proxied=["consumer"])
CASES = (
    _alone("first_try_after_the_replay", LATE, first_try_after_the_replay),
    _alone("other_profile_after_a_crash", "ClickHouse with another profile", other_profile, short=True),
    _alone("other_policy_after_a_crash", "consumer with another flush policy", other_policy),
    Case("members_come_and_go", MEMBERS, members_come_and_go, gateways=2),
    Case("partitions_added", "partitions added", partitions_added, gateways=2),
    Case("clock_ahead", CLOCK, partial(clock_off, seconds=HOUR_S)),
    Case("clock_behind", CLOCK, partial(clock_off, seconds=-HOUR_S)),
    Case("slept_beyond_the_lease", LEASE, slept_beyond_the_lease, proxied=["consumer"]),
    Case("inserted_beyond_the_lease", LEASE, inserted_beyond_the_lease, proxied=["consumer"]),
)
