"""An upgrade from the previous release, within a block, with records and retries of both releases."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import clickhouse_connect
import pytest
from aiokafka import TopicPartition

from tests.e2e.release_before import command_of_release_before
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, embedded, migrate, start_embedded, start_member, unmigrated_cluster
from tests.product.offsets import committed, consumer_of
from tests.product.process import COMMAND, run

VIEWER = "alice"
MORE_LETTERS = "auth0|alice"  # whose records the release before cannot read
BATCHES = 12


class Sent:
    """What a viewer's client has sent, and what of it counts."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.ids: list[UUID] = []
        self.singles = 0

    @property
    def expected(self) -> dict[str, int]:
        return {"suggestion_accepted": 2 * len(self.ids), "suggestion_shown": self.singles}

    async def more(self) -> None:
        """New batches and single counts, and every batch of before once more."""
        for batch_id in self.ids:
            await self._batch(batch_id)
        self.ids += [uuid4() for _ in range(BATCHES)]
        for batch_id in self.ids[-BATCHES:]:
            await self._batch(batch_id)
            assert await self._client.post(VIEWER, "suggestion_shown") == 200
            self.singles += 1

    async def _batch(self, batch_id: UUID) -> None:
        assert await self._client.post_batch(VIEWER, batch_id, [{"event": "suggestion_accepted", "count": 2}]) == 200


async def verified(deployment: Deployment, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """The report, which must be clean."""
    done = await asyncio.to_thread(run, "verify", "--json", settings=deployment.settings, command=command)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"]
    return report


def intents(offsets: dict[int, Any]) -> list[str]:
    return [found.metadata for found in offsets.values() if found.metadata]


@pytest.mark.servers
async def test_a_cluster_is_upgraded_within_a_block(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    before = command_of_release_before(tmp_path / "before")
    with (
        unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, PARTITIONS="2") as deployment,
        clickhouse_connect.get_client(dsn=clickhouse_database_url) as server,
    ):
        migrated = await asyncio.to_thread(run, "migrate", settings=deployment.settings, command=before)
        assert migrated.returncode == 0, migrated.stderr
        for name in ("gateway", "consumer", "summary"):
            await asyncio.to_thread(start_member(deployment, name, command=before).wait_ready)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            sent = Sent(client)
            await sent.more()
            await client.counts_become(VIEWER, sent.expected)
            first = await verified(deployment, before)

            server.command("RENAME TABLE telemetry_counts TO away")  # from now on blocks are begun, and not stored
            await sent.more()

            async def begun() -> bool:
                return bool(intents(await committed(kafka_bootstrap, deployment.settings["GROUP"])))

            await eventually(begun, lambda: "no intent was committed")
            deployment.processes["consumer"].kill()
            server.command("RENAME TABLE away TO telemetry_counts")
            await asyncio.to_thread(migrate, deployment)
            assert intents(await committed(kafka_bootstrap, deployment.settings["GROUP"]))

            await asyncio.to_thread(start_member(deployment, "consumer").wait_ready)
            for name in ("gateway", "summary"):  # the gateway of before goes on while the consumer is new
                await sent.more()
                assert await asyncio.to_thread(deployment.processes[name].stop) == 0
                await asyncio.to_thread(start_member(deployment, name).wait_ready)
            await sent.more()
            assert await client.post(MORE_LETTERS, "suggestion_shown") == 200
            await client.counts_become(VIEWER, sent.expected)
            await client.counts_become(MORE_LETTERS, {"suggestion_shown": 1})
            last = await verified(deployment)
            assert sum(p["judged_to"] for p in last["partitions"]) > sum(p["judged_to"] for p in first["partitions"])
            assert sum(p["repeated_batches"] for p in last["partitions"]) > BATCHES
            assert await schemas(kafka_bootstrap, deployment.settings["TOPIC"]) == {b"2.1", b"3.1"}


@pytest.mark.servers
async def test_a_consumer_of_the_previous_release_halts_at_newer_records(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    """Gateways that came first, against the order: others' counts in the same record are late, and not lost."""
    before = command_of_release_before(tmp_path / "before")
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, PARTITIONS="1") as deployment:
        await asyncio.to_thread(migrate, deployment)
        for name, command in (("gateway", COMMAND), ("consumer", before), ("summary", COMMAND)):
            await asyncio.to_thread(start_member(deployment, name, command=command).wait_ready)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            both = await asyncio.gather(*(client.post(viewer, "suggestion_shown") for viewer in (VIEWER, MORE_LETTERS)))
            assert both == [200, 200]

            async def halts() -> bool:
                async with session.get(f"{deployment.processes['consumer'].admin}/readyz") as answer:
                    return bool((await answer.json())["checks"]["consumer"] == "newer_schema")

            await eventually(halts, lambda: "the consumer of before does not wait")
            listed = await asyncio.to_thread(
                run, "dead-letters", "--json", settings=deployment.settings, command=before
            )
            assert json.loads(listed.stdout) == []

            assert await asyncio.to_thread(deployment.processes["consumer"].stop) == 0
            await asyncio.to_thread(start_member(deployment, "consumer").wait_ready)
            for viewer in (VIEWER, MORE_LETTERS):
                await client.counts_become(viewer, {"suggestion_shown": 1})
            await verified(deployment)


async def test_an_instance_is_upgraded_within_a_block(tmp_path: Path) -> None:
    before = command_of_release_before(tmp_path / "before")
    with embedded(tmp_path, command=before) as deployment:
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            sent = Sent(client)
            await sent.more()
            await client.counts_become(VIEWER, sent.expected)
            await verified(deployment, before)
            log = Path(deployment.settings["DATA"]) / "log.sqlite"
            async with asyncio.timeout(60):
                while True:  # killed until that is in the middle of a block
                    await sent.more()
                    deployment.processes["up"].kill()
                    with closing(sqlite3.connect(log)) as file:
                        ((metadata,),) = file.execute("SELECT metadata FROM consumer_group")
                    if metadata:
                        break
                    await asyncio.to_thread(start_embedded, deployment, command=before)
            await asyncio.to_thread(start_embedded, deployment)
            await sent.more()
            await client.counts_become(VIEWER, sent.expected)
            (partition,) = (await verified(deployment))["partitions"]
            assert partition["repeated_batches"] > BATCHES


async def schemas(bootstrap: str, topic: str) -> set[bytes]:
    """What the schema headers of a topic's records say."""
    found: set[bytes] = set()
    async with consumer_of(bootstrap) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(2)])
        consumer.assign(list(ends))
        await consumer.seek_to_beginning()
        while any([await consumer.position(key) < end for key, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found |= {dict(record.headers)["schema"] for record in records}
    return found
