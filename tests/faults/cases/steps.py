"""A consumer dies, or is as if dead for longer than its session lasts, at a named step of the protocol."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from tests.faults.loaded_cluster import PAST_SESSION_S, Case, Rig
from tests.faults.wires.clickhouse import Statement
from tests.faults.wires.kafka import Api
from tests.faults.wires.trap import Fate, Place

STEPS = {  # where its insert is then
    "after_declare": Place.ARRIVED,
    "during_insert": Place.FORWARDED,
    "after_insert": Place.ANSWERED,
}


async def killed(rig: Rig, *, place: Place) -> None:
    """SIGKILL while an insert is there."""
    with rig.stores["consumer"].trap(Statement.INSERT, place) as trap:
        await trap.caught()
        await rig.kill("consumer")
        trap.decide(Fate.CUT)
    rig.start("consumer")


async def frozen(rig: Rig, *, place: Place) -> None:
    """SIGSTOP while an insert is there: the other inserts the same block, then the first try comes to its end."""
    with rig.stores["consumer"].trap(Statement.INSERT, place) as trap:
        await trap.caught()
        await rig.freeze("consumer", PAST_SESSION_S + 5 * rig.rng.random())
        trap.decide(rig.rng.choice([Fate.PASS, Fate.CUT]))


async def expelled_unknowingly(rig: Rig) -> None:
    """A member that hears nothing wrong is given up by its group, because an insert keeps it from committing. The other
    inserts the same block, and goes on; then the first try ends, and its declare of the next block must be refused.
    """
    wire = rig.logs["consumer"]
    with (
        rig.stores["consumer"].trap(Statement.INSERT, Place.ARRIVED) as insert,
        wire.trap(Api.JOIN_GROUP, Place.ARRIVED) as joining,
    ):
        await insert.caught()
        rig.injected += 1
        wire.lulling = True
        await rig.operator.grows(rig.process("consumer-2"), "siddes_kafka_rebalances_total")
        await rig.operator.grows(rig.process("consumer-2"), "siddes_consumer_records_stored_total")
        await rig.flows(1000)
        insert.decide(Fate.PASS)
        await joining.caught()
        wire.lulling = False


async def killed_during_recovery(rig: Rig) -> None:
    """Who takes over a declared block dies before it has asked what the store holds; both come back."""
    with (
        rig.stores["consumer"].trap(Statement.INSERT, Place.FORWARDED) as insert,
        rig.stores["consumer-2"].trap(Statement.HELD, rig.rng.choice([Place.ARRIVED, Place.ANSWERED])) as question,
    ):
        await insert.caught()
        await rig.kill("consumer")
        insert.decide(Fate.CUT)
        await question.caught()
        await rig.kill("consumer-2")
        question.decide(Fate.CUT)
    rig.start("consumer")
    rig.start("consumer-2")


async def killed_during_rebalance(rig: Rig) -> None:
    """A third one joins; the first dies while it comes back to the group."""
    step, place = rig.rng.choice([Api.JOIN_GROUP, Api.SYNC_GROUP]), rig.rng.choice([Place.ARRIVED, Place.ANSWERED])
    with rig.logs["consumer"].trap(step, place) as trap:
        rig.start("consumer-3")
        await trap.caught()
        await rig.kill("consumer")
        trap.decide(Fate.CUT)
    rig.start("consumer")


async def killed_while_draining(rig: Rig) -> None:
    """SIGTERM, and SIGKILL at the next insert or commit."""
    wire, kind = rig.rng.choice([(rig.stores["consumer"], Statement.INSERT), (rig.logs["consumer"], Api.OFFSET_COMMIT)])
    consumer = rig.process("consumer")
    consumer.send(signal.SIGTERM)
    with wire.trap(kind, rig.rng.choice([Place.ARRIVED, Place.ANSWERED])) as trap:
        ended = asyncio.ensure_future(asyncio.to_thread(consumer.ended))
        caught = asyncio.ensure_future(trap.caught())
        await asyncio.wait({ended, caught}, return_when=asyncio.FIRST_COMPLETED)
        caught.cancel()
        if not ended.done():
            rig.injected += 1
            consumer.send(signal.SIGKILL)
        trap.decide(Fate.CUT)
        await ended
    rig.start("consumer")


KILL = "consumer killed at a step"
FREEZE = "consumer frozen at a step, past its session"
CASES = (
    *(
        Case(
            f"consumer_killed_{name}",
            KILL,
            partial(killed, place=place),
            wired=["consumer"],
        )
        for name, place in STEPS.items()
    ),
    *(
        Case(
            f"consumer_frozen_{name}",
            FREEZE,
            partial(frozen, place=place),
            wired=["consumer"],
        )
        for name, place in STEPS.items()
    ),
    Case("consumer_expelled_unknowingly", FREEZE, expelled_unknowingly, short=True, wired=["consumer"], partitions=2),
    Case("consumer_killed_during_recovery", KILL, killed_during_recovery, wired=["consumer", "consumer-2"]),
    Case("consumer_killed_during_rebalance", KILL, killed_during_rebalance, wired=["consumer"]),
    Case("consumer_killed_while_draining", KILL, killed_while_draining, short=True, wired=["consumer"]),
)
