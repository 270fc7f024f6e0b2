"""The final check of every case: everything that was answered 200 is stored once, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.faults import naive_consumer
from tests.faults.loaded_cluster import LoadedCluster
from tests.faults.store_contents import RecordPosition, RowsAndTotal, bounds, read_topic
from tests.product.deployments import Deployment
from tests.product.offsets import committed
from tests.product.process import COMMAND_DEADLINE_S, run

DRAINED_S = 180.0  # a session time-out, a recovery, and the wait after a token that outlived its rows
POLL_S = 0.2


async def assert_stored_once(cluster: LoadedCluster) -> None:
    """Raises AssertionError, with the numbers, if a row is missing or surplus. The load must have ended."""
    await wait_until_drained(cluster.bootstrap, cluster.topic, cluster.group)
    topic = await read_topic(cluster.bootstrap, cluster.topic)
    stored = await cluster.sql.by_record(await cluster.sql.log_id(cluster.topic))
    missing, surplus = differences(
        {place: amount for place, amount in topic.amounts.items() if amount[0]},
        {place: amount for place, amount in stored.items() if place[1] >= topic.first.get(place[0], 0)},
    )
    assert (missing, surplus) == (0, 0), f"{missing} rows of the log are missing, {surplus} are too many"
    assert stored
    lost, doubled = await cluster.difference()
    assert (lost, doubled) == (0, 0), f"{lost} counts were lost, {doubled} counted twice"
    await asyncio.to_thread(assert_verify_agrees, cluster.deployment)


async def naive_difference(cluster: LoadedCluster) -> tuple[int, int]:
    """Returns (rows of the log that a naive consumer lost, rows that it stored twice). Client retries do not count."""
    await wait_until_drained(cluster.bootstrap, cluster.topic, cluster.group)
    topic = await read_topic(cluster.bootstrap, cluster.topic, repeats=True)
    lost, doubled = differences(topic.amounts, await cluster.sql.by_record(naive_consumer.LOG_ID))
    missing, _ = await cluster.difference()
    assert lost or not missing, f"{missing} counts that were answered did not reach the log"
    return lost, doubled


def differences(
    expected: dict[RecordPosition, RowsAndTotal], found: dict[RecordPosition, RowsAndTotal]
) -> tuple[int, int]:
    """Returns (missing rows, surplus rows). A record with wrong counts is both."""
    missing = surplus = 0
    for place in expected.keys() | found.keys():
        (rows, total), (held_rows, held_total) = expected.get(place, (0, 0)), found.get(place, (0, 0))
        missing += max(0, rows - held_rows)
        surplus += max(0, held_rows - rows)
        if rows == held_rows and total != held_total:
            missing, surplus = missing + rows, surplus + rows
    return missing, surplus


async def wait_until_drained(bootstrap: str, topic: str, group: str) -> None:
    """Wait until the group has committed the end of the log, without an intent."""
    _, end = await bounds(bootstrap, topic)
    left: dict[int, str] = {}
    try:
        async with asyncio.timeout(DRAINED_S):
            while True:
                found = await committed(bootstrap, group)
                left = {
                    number: f"{found[number].offset} of {at} {found[number].metadata}" if number in found else "nothing"
                    for number, at in end.items()
                    if at and (number not in found or found[number].offset != at or found[number].metadata)
                }
                if not left:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not stored to the end: {left}") from None


def assert_verify_agrees(deployment: Deployment, *, deadline_s: float = COMMAND_DEADLINE_S) -> Any:
    """The product's own check must agree. Returns its report."""
    answer = run("verify", "--json", settings=deployment.settings, deadline_s=deadline_s)
    report = json.loads(answer.stdout)
    assert (answer.returncode, report["ok"]) == (0, True), answer.stdout
    for partition in report["partitions"]:
        assert (partition["missing"], partition["surplus"]) == (0, 0), answer.stdout
    return report
