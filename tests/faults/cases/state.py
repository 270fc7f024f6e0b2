"""The broker or the store loses state: the group's offsets, the topic, records, rows."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import aiohttp
from aiokafka.errors import NonEmptyGroup

from siddes_telemetry.consumer.lease import OTHERS_END_S
from tests.faults.final_check import wait_until_drained
from tests.faults.loaded_cluster import Case, LoadedCluster
from tests.faults.product_overrides import no_wait_for_inserts
from tests.faults.proxies.clickhouse import Statement
from tests.faults.proxies.trap import Fate, Stage
from tests.faults.store_contents import bounds
from tests.product.client import SETTLE_S, eventually
from tests.product.offsets import committed, delete_group, delete_records, delete_topic
from tests.product.process import ServiceProcess, run

CONSUMERS = ("consumer", "consumer-2")


async def offsets_deleted(cluster: LoadedCluster) -> None:
    """Consumers die and the group is deleted: new ones halt until the offsets are reset, as the docs say."""
    await eventually(partial(_rows_of_every_partition, cluster), lambda: "a partition has no rows: it would not halt")
    await cluster.any_moment()
    await asyncio.gather(*(cluster.kill(name) for name in CONSUMERS))
    await eventually(partial(_group_deleted, cluster), lambda: "the group still has members")
    cluster.injected += 1
    await _start_consumers_to_halt(cluster, "rows_beyond_offset")
    before = await cluster.sql.rows("SELECT count() FROM telemetry_counts")
    await cluster.flows()
    assert await cluster.sql.rows("SELECT count() FROM telemetry_counts") == before
    await _stop_consumers(cluster)
    reset = ("reset-offsets", "--yes")
    done = await asyncio.to_thread(run, *reset, settings=cluster.deployment.settings, command=no_wait_for_inserts())
    assert done.returncode == 0, done.stderr
    for name in CONSUMERS:
        await cluster.start_ready(name)
    async with cluster.load.held():
        await wait_until_drained(cluster.bootstrap, cluster.topic, cluster.group)
        repaired = await asyncio.to_thread(run, "verify", "--repair", "--yes", settings=cluster.deployment.settings)
        assert repaired.returncode == 0, repaired.stdout


async def topic_made_anew(cluster: LoadedCluster) -> None:
    """The topic is deleted, and others create it again: consumers halt until `migrate --new-log`."""
    async with cluster.load.held():
        await wait_until_drained(cluster.bootstrap, cluster.topic, cluster.group)
        await _stop_consumers(cluster)
        await delete_topic(cluster.bootstrap, cluster.topic)
        others = {name: value for name, value in cluster.deployment.settings.items() if name != "CLICKHOUSE"}
        made = await asyncio.to_thread(partial(run, "migrate", "--topics", settings=others))
        assert made.returncode == 0, made.stderr
        cluster.injected += 1
    await cluster.flows(20)
    await _start_consumers_to_halt(cluster, "rows_beyond_offset")
    adopted = await asyncio.to_thread(partial(run, "migrate", "--new-log", settings=cluster.deployment.settings))
    assert adopted.returncode == 0, adopted.stderr
    for name in CONSUMERS:
        await cluster.operator.becomes_ready(cluster.process(name))


async def records_gone(cluster: LoadedCluster, *, intent_too: bool) -> None:
    """The log's start moves past a block in doubt, or into it, before it is stored: the lost records are counted."""
    cluster.lossy = True
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.ARRIVED) as trap:
        await trap.caught()
        await cluster.flows()
        async with cluster.load.held():
            await cluster.kill("consumer")
            trap.decide(Fate.CUT)
            intent = (await committed(cluster.bootstrap, cluster.group))[0]
            _, end = await bounds(cluster.bootstrap, cluster.topic)
            first = (intent.offset + end[0] + 1) // 2 if intent_too else intent.offset + 1
            await delete_records(cluster.bootstrap, cluster.topic, {0: first})
            consumer = await cluster.start_ready("consumer")
            await cluster.operator.becomes(consumer, "siddes_consumer_lost_records_total", first - intent.offset)
            await wait_until_drained(cluster.bootstrap, cluster.topic, cluster.group)


async def token_without_rows(cluster: LoadedCluster) -> None:
    """A server dies between a block's token and its part: here the part is removed."""
    await cluster.sql.run("SYSTEM STOP MERGES telemetry_counts")
    with cluster.store_proxies["consumer"].trap(Statement.INSERT, Stage.ANSWERED) as trap:
        await trap.caught()
        intent = (await committed(cluster.bootstrap, cluster.group))[0]
        parts = await cluster.sql.rows(
            "SELECT path FROM system.parts WHERE database = currentDatabase() AND name IN "
            "(SELECT _part FROM telemetry_counts WHERE log_offset >= {start:UInt64})",
            start=intent.offset,
        )
        await asyncio.to_thread(cluster.servers.clickhouse.kill)
        assert parts
        for (path,) in parts:
            await asyncio.to_thread(shutil.rmtree, cluster.servers.clickhouse.folder / "data" / Path(path))
        cluster.injected += 1
        await asyncio.to_thread(cluster.servers.clickhouse.start)
        trap.decide(Fate.CUT)
    consumer = cluster.process("consumer")
    await cluster.operator.becomes(consumer, "siddes_consumer_spent_tokens_total", 1)
    await cluster.operator.becomes_ready(consumer, within_s=OTHERS_END_S + SETTLE_S)  # the rows go under another token


async def _rows_of_every_partition(cluster: LoadedCluster) -> bool:
    ((partitions,),) = await cluster.sql.rows("SELECT uniqExact(log_partition) FROM telemetry_counts")
    return bool(partitions == int(cluster.deployment.settings["PARTITIONS"]))


async def _group_deleted(cluster: LoadedCluster) -> bool:
    try:
        await delete_group(cluster.bootstrap, cluster.group)
    except NonEmptyGroup:  # until the sessions of its members end
        return False
    return True


async def _stop_consumers(cluster: LoadedCluster) -> None:
    await asyncio.gather(*(cluster.stop(name) for name in CONSUMERS))


async def _start_consumers_to_halt(cluster: LoadedCluster, reason: str) -> None:
    """Start the consumers, and wait until both are not ready for this reason."""
    for process in [cluster.start(name) for name in CONSUMERS]:
        await eventually(partial(_halts, cluster, process, reason), lambda: f"no halt for {reason}")


async def _halts(cluster: LoadedCluster, process: ServiceProcess, reason: str) -> bool:
    try:
        return await cluster.operator.troubles(process) == {"consumer": reason}
    except aiohttp.ClientError:
        return False  # it does not listen yet


LOST = "group's offsets deleted"
ANEW = "topic made anew"
GONE = "log's start moved past a block whose intent is committed (what was lost is counted)"
_alone = partial(Case, consumers=1, partitions=1, proxied=["consumer"])
CASES = (
    Case("offsets_deleted", LOST, offsets_deleted),
    Case("topic_made_anew", ANEW, topic_made_anew),
    _alone("records_gone_past_the_intent", GONE, partial(records_gone, intent_too=True)),
    _alone("records_gone_within_the_intent", GONE, partial(records_gone, intent_too=False)),
    _alone("token_without_rows", "ClickHouse kept a token and lost its rows", token_without_rows),
)
