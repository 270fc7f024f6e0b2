"""What the broker or the store remembers is lost: the group's offsets, the topic, records, rows."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import aiohttp

from siddes_telemetry.consumer.lease import OTHERS_END_S
from tests.faults.final_check import drained
from tests.faults.loaded_cluster import Case, Rig
from tests.faults.store_contents import bounds
from tests.faults.wires.clickhouse import Statement
from tests.faults.wires.trap import Fate, Place
from tests.product.client import SETTLE_S, eventually
from tests.product.deployments import migrate
from tests.product.offsets import committed, delete_group, delete_records, delete_topic, set_offsets
from tests.product.process import ServiceProcess, run

CONSUMERS = ("consumer", "consumer-2")


async def offsets_deleted(rig: Rig) -> None:
    """The group is forgotten: consumers insert nothing, and say so, until the offsets are set as the docs say."""
    await _stop_consumers(rig)
    await delete_group(rig.kafka.bootstrap, rig.group)
    rig.injected += 1
    await _start_consumers_to_halt(rig, "rows_beyond_offset")
    before = await rig.sql.rows("SELECT count() FROM telemetry_counts")
    await rig.flows()
    assert await rig.sql.rows("SELECT count() FROM telemetry_counts") == before
    await _stop_consumers(rig)
    last = await rig.sql.rows("SELECT log_partition, max(log_offset) FROM telemetry_counts GROUP BY log_partition")
    places = {partition: offset + 1 for partition, offset in last}
    await set_offsets(rig.kafka.bootstrap, rig.group, rig.topic, places)
    for name in CONSUMERS:
        await rig.start_ready(name)


async def topic_made_anew(rig: Rig) -> None:
    """A topic of the same name and other records, whose offsets the broker has forgotten: `--new-log` adopts it."""
    async with rig.load.held():
        await drained(rig)
        await _stop_consumers(rig)
        await delete_topic(rig.kafka.bootstrap, rig.topic)
        await asyncio.to_thread(migrate, rig.deployment)
        rig.injected += 1
    await rig.flows(20)
    await _start_consumers_to_halt(rig, "rows_beyond_offset")
    adopted = await asyncio.to_thread(partial(run, "migrate", "--new-log", settings=rig.deployment.settings))
    assert adopted.returncode == 0, adopted.stderr
    for name in CONSUMERS:
        await rig.operator.becomes_ready(rig.process(name))


async def records_gone(rig: Rig, *, intent_too: bool) -> None:
    """The log's start moves past a declared block, or into it, before that is stored: what is lost is counted."""
    rig.lossy = True
    with rig.stores["consumer"].trap(Statement.INSERT, Place.ARRIVED) as trap:
        await trap.caught()
        await rig.flows()
        async with rig.load.held():
            await rig.kill("consumer")
            trap.decide(Fate.CUT)
            declared = (await committed(rig.kafka.bootstrap, rig.group))[0]
            _, end = await bounds(rig.kafka.bootstrap, rig.topic)
            first = (declared.offset + end[0] + 1) // 2 if intent_too else declared.offset + 1
            await delete_records(rig.kafka.bootstrap, rig.topic, {0: first})
            consumer = await rig.start_ready("consumer")
            await rig.operator.becomes(consumer, "siddes_consumer_lost_records_total", first - declared.offset)
            await drained(rig)


async def token_without_rows(rig: Rig) -> None:
    """A server dies after it wrote a block's token and before its part was in place: here the part is removed."""
    await rig.sql.run("SYSTEM STOP MERGES telemetry_counts")
    with rig.stores["consumer"].trap(Statement.INSERT, Place.ANSWERED) as trap:
        await trap.caught()
        declared = (await committed(rig.kafka.bootstrap, rig.group))[0]
        parts = await rig.sql.rows(
            "SELECT path FROM system.parts WHERE database = currentDatabase() AND name IN "
            "(SELECT _part FROM telemetry_counts WHERE log_offset >= {declared:UInt64})",
            declared=declared.offset,
        )
        await asyncio.to_thread(rig.clickhouse.kill)
        assert parts
        for (path,) in parts:
            await asyncio.to_thread(shutil.rmtree, rig.clickhouse.folder / "data" / Path(path))
        rig.injected += 1
        await asyncio.to_thread(rig.clickhouse.start)
        trap.decide(Fate.CUT)
    consumer = rig.process("consumer")
    await rig.operator.becomes(consumer, "siddes_consumer_spent_tokens_total", 1)
    await rig.operator.becomes_ready(consumer, within_s=OTHERS_END_S + SETTLE_S)  # they go under another token


async def _stop_consumers(rig: Rig) -> None:
    await asyncio.gather(*(rig.stop(name) for name in CONSUMERS))


async def _start_consumers_to_halt(rig: Rig, reason: str) -> None:
    """Start them, and wait until both are not ready for this reason."""
    for process in [rig.start(name) for name in CONSUMERS]:
        await eventually(partial(_halts, rig, process, reason), lambda: f"no halt for {reason}")


async def _halts(rig: Rig, process: ServiceProcess, reason: str) -> bool:
    try:
        return await rig.operator.troubles(process) == {"consumer": reason}
    except aiohttp.ClientError:
        return False  # it does not listen yet


LOST = "group's offsets deleted"
ANEW = "topic made anew"
GONE = "log's start moved past a declared block (what was lost is counted)"
_alone = partial(Case, consumers=1, partitions=1, wired=["consumer"])
CASES = (
    Case("offsets_deleted", LOST, offsets_deleted, short=True),
    Case("topic_made_anew", ANEW, topic_made_anew),
    _alone("records_gone_past_the_intent", GONE, partial(records_gone, intent_too=True)),
    _alone("records_gone_within_the_intent", GONE, partial(records_gone, intent_too=False)),
    _alone("token_without_rows", "ClickHouse kept a token and lost its rows", token_without_rows),
)
