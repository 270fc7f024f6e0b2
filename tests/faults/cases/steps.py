"""A consumer dies, or freezes for longer than its session, at a step of the protocol."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from tests.faults.loaded_cluster import PAST_SESSION_S, Case, LoadedCluster
from tests.faults.proxies.clickhouse import Statement
from tests.faults.proxies.kafka import Api
from tests.faults.proxies.trap import Fate, Stage

STEPS = {  # the stage of its insert
    "after_declare": Stage.ARRIVED,
    "during_insert": Stage.FORWARDED,
    "after_insert": Stage.ANSWERED,
}


async def killed(cluster: LoadedCluster, *, stage: Stage) -> None:
    """SIGKILL while an insert is at this stage."""
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, stage) as trap:
        await trap.caught()
        await cluster.kill("consumer")
        trap.decide(Fate.CUT)
    cluster.start("consumer")


async def frozen(cluster: LoadedCluster, *, stage: Stage) -> None:
    """SIGSTOP while an insert is at this stage: the other inserts the same block, then the first insert ends."""
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, stage) as trap:
        await trap.caught()
        await cluster.freeze("consumer", PAST_SESSION_S + 5 * cluster.rng.random())
        trap.decide(cluster.rng.choice([Fate.PASS, Fate.CUT]))


async def expelled_unknowingly(cluster: LoadedCluster) -> None:
    """The group expels a member during an insert, and the member does not notice.

    The other consumer inserts the same block, and goes on. Then the first insert ends, and the expelled member's
    intent commit of its next block must be refused.
    """
    proxy = cluster.log_proxies["consumer"]
    with (
        cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.ARRIVED) as insert,
        proxy.trap(Api.JOIN_GROUP, Stage.ARRIVED) as joining,
    ):
        await insert.caught()
        cluster.injected += 1
        proxy.lulling = True
        await cluster.operator.grows(cluster.process("consumer-2"), "siddes_kafka_rebalances_total")
        await cluster.operator.grows(cluster.process("consumer-2"), "siddes_consumer_records_stored_total")
        await cluster.flows(1000)
        insert.decide(Fate.PASS)
        await joining.caught()
        proxy.lulling = False


async def killed_during_recovery(cluster: LoadedCluster) -> None:
    """The new owner of a block in doubt dies before its query of the store is answered; both come back."""
    with (
        cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.FORWARDED) as insert,
        cluster.store_proxies["consumer-2"].trap(
            Statement.HELD, cluster.rng.choice([Stage.ARRIVED, Stage.ANSWERED])
        ) as question,
    ):
        await insert.caught()
        await cluster.kill("consumer")
        insert.decide(Fate.CUT)
        await question.caught()
        await cluster.kill("consumer-2")
        question.decide(Fate.CUT)
    cluster.start("consumer")
    cluster.start("consumer-2")


async def killed_during_rebalance(cluster: LoadedCluster) -> None:
    """A third consumer joins; the first dies while it rejoins the group."""
    step, stage = (
        cluster.rng.choice([Api.JOIN_GROUP, Api.SYNC_GROUP]),
        cluster.rng.choice([Stage.ARRIVED, Stage.ANSWERED]),
    )
    with cluster.log_proxies["consumer"].trap(step, stage) as trap:
        cluster.start("consumer-3")
        await trap.caught()
        await cluster.kill("consumer")
        trap.decide(Fate.CUT)
    cluster.start("consumer")


async def killed_while_draining(cluster: LoadedCluster) -> None:
    """SIGTERM, and SIGKILL at the next insert or commit."""
    proxy, kind = cluster.rng.choice(
        [(cluster.store_proxies["consumer"], Statement.INSERT), (cluster.log_proxies["consumer"], Api.OFFSET_COMMIT)]
    )
    consumer = cluster.process("consumer")
    consumer.send(signal.SIGTERM)
    with proxy.trap(kind, cluster.rng.choice([Stage.ARRIVED, Stage.ANSWERED])) as trap:
        ended = asyncio.ensure_future(asyncio.to_thread(consumer.ended))
        caught = asyncio.ensure_future(trap.caught())
        await asyncio.wait({ended, caught}, return_when=asyncio.FIRST_COMPLETED)
        caught.cancel()
        if not ended.done():
            cluster.injected += 1
            consumer.send(signal.SIGKILL)
        trap.decide(Fate.CUT)
        await ended
    cluster.start("consumer")


KILL = "consumer killed at a step"
FREEZE = "consumer frozen at a step, past its session"
CASES = (
    *(
        Case(
            f"consumer_killed_{name}",
            KILL,
            partial(killed, stage=stage),
            proxied=["consumer"],
        )
        for name, stage in STEPS.items()
    ),
    *(
        Case(
            f"consumer_frozen_{name}",
            FREEZE,
            partial(frozen, stage=stage),
            proxied=["consumer"],
        )
        for name, stage in STEPS.items()
    ),
    Case("consumer_expelled_unknowingly", FREEZE, expelled_unknowingly, short=True, proxied=["consumer"], partitions=2),
    Case("consumer_killed_during_recovery", KILL, killed_during_recovery, proxied=["consumer", "consumer-2"]),
    Case("consumer_killed_during_rebalance", KILL, killed_during_rebalance, proxied=["consumer"]),
    Case("consumer_killed_while_draining", KILL, killed_while_draining, short=True, proxied=["consumer"]),
)
