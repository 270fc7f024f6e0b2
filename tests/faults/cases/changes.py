"""Things change while counts flow: members, partitions, a server's profile, the size of blocks, a clock."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tests.faults.loaded_cluster import Case, Rig
from tests.faults.product_overrides import clock_ahead, small_blocks
from tests.faults.wires.clickhouse import Statement
from tests.faults.wires.kafka import Api
from tests.faults.wires.trap import Fate, Place
from tests.infrastructure.databases import other_user
from tests.product.client import eventually
from tests.product.deployments import migrate

HOUR_S = 3600
LEASE_OVER_S = 65.0  # a lease lasts 60 s
STORED = "siddes_consumer_records_stored_total"


async def first_try_after_the_replay(rig: Rig) -> None:
    """A block is declared and its insert under way when its consumer dies; the next one replays it; then the first
    insert arrives after all.
    """
    with rig.stores["consumer"].trap(Statement.INSERT, Place.ARRIVED) as trap:
        await trap.caught()
        await rig.kill("consumer")
        await rig.start_ready("consumer")
        await rig.operator.grows(rig.process("consumer"), STORED)
        trap.decide(Fate.PASS)


async def other_profile(rig: Rig) -> None:
    """The same, and the next one is a user whose profile cuts inserts otherwise and drops no repeated token."""
    ours = await asyncio.to_thread(other_user, rig.deployment.settings["CLICKHOUSE"])
    rig.deployment.own["consumer"]["CLICKHOUSE"] = ours
    await first_try_after_the_replay(rig)


async def other_policy(rig: Rig) -> None:
    """The same, and the next one would cut other blocks."""
    rig.commands["consumer"] = small_blocks(rig.rng.choice([7, 50, 1000]))
    await first_try_after_the_replay(rig)


async def members_come_and_go(rig: Rig) -> None:
    """Consumers are added and taken away in order, and a gateway is."""
    for name in ("consumer-3", "consumer-4"):
        rig.injected += 1
        await rig.start_ready(name)
        await rig.flows()
    for name in rig.rng.sample(["consumer", "consumer-2", "consumer-3", "consumer-4"], 3):
        rig.injected += 1
        await rig.stop(name)
        await rig.flows()
    rig.injected += 1
    await rig.stop("gateway-2")
    await rig.flows()
    rig.load.targets = [rig.process("gateway").url]


async def partitions_added(rig: Rig) -> None:
    """As docs/operations.md says: while no retry is under way, since a retry meets its first try by partition."""
    async with rig.load.held():
        rig.injected += 1
        rig.deployment.settings["PARTITIONS"] = "8"
        await asyncio.to_thread(migrate, rig.deployment)
        for name in ("gateway", "gateway-2"):
            await rig.stop(name)
            await rig.start_ready(name)


async def clock_off(rig: Rig, *, seconds: int) -> None:
    """A gateway's clock is wrong by an hour: its rows are stored at the log's time."""
    rig.injected += 1
    rig.commands["gateway-2"] = clock_ahead(seconds)
    gateway = await rig.start_ready("gateway-2")
    rig.load.targets = [gateway.url]
    await rig.flows()
    consumers = [rig.process(name) for name in ("consumer", "consumer-2")]

    async def noticed() -> bool:
        counted = [await rig.operator.metric(each, "siddes_consumer_reclocked_rows_total") for each in consumers]
        return sum(counted) > 0

    await eventually(noticed, lambda: "no row was reclocked")
    ((first, last),) = await rig.sql.rows(
        "SELECT toUnixTimestamp(min(created_at)), toUnixTimestamp(max(created_at)) FROM telemetry_counts"
    )
    assert time.time() - HOUR_S / 2 < first <= last <= time.time() + 1


async def slept_beyond_the_lease(rig: Rig) -> None:
    """A consumer is stopped between its declare and its insert until the lease is over, while others insert."""
    with rig.logs["consumer"].trap(Api.OFFSET_COMMIT, Place.ANSWERED) as trap:
        await trap.caught()
        frozen = asyncio.ensure_future(rig.freeze("consumer", LEASE_OVER_S))
        await asyncio.sleep(0)  # it is stopped
        trap.decide(Fate.PASS)
        await frozen


async def inserted_beyond_the_lease(rig: Rig) -> None:
    """The same, a moment later: its insert is under way, and arrives when the lease is over."""
    with rig.stores["consumer"].trap(Statement.INSERT, Place.ARRIVED) as trap:
        await trap.caught()
        await rig.freeze("consumer", LEASE_OVER_S)
        trap.decide(Fate.PASS)


LATE = "first try arrives after the replay"
MEMBERS = "consumers and gateways added and removed in order"
CLOCK = "gateway's clock off by an hour"
LEASE = "consumer asleep beyond its lease"
_alone = partial(Case, consumers=1, partitions=1, wired=["consumer"])
CASES = (
    _alone("first_try_after_the_replay", LATE, first_try_after_the_replay),
    _alone("other_profile_after_a_crash", "ClickHouse with another profile", other_profile, short=True),
    _alone("other_policy_after_a_crash", "consumer with another flush policy", other_policy),
    Case("members_come_and_go", MEMBERS, members_come_and_go, gateways=2),
    Case("partitions_added", "partitions added", partitions_added, gateways=2),
    Case("clock_ahead", CLOCK, partial(clock_off, seconds=HOUR_S)),
    Case("clock_behind", CLOCK, partial(clock_off, seconds=-HOUR_S)),
    Case("slept_beyond_the_lease", LEASE, slept_beyond_the_lease, wired=["consumer"]),
    Case("inserted_beyond_the_lease", LEASE, inserted_beyond_the_lease, wired=["consumer"]),
)
