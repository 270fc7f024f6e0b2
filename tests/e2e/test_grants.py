"""Every service and command on a ClickHouse server, each as a user that has the grants of docs/deployment.md alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import clickhouse_connect
import pytest
from aiokafka import AIOKafkaProducer

from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers
from tests.contract.store.servers import ClickHouseWithUsers, ServerUser
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, start_member, unmigrated_cluster
from tests.product.documented_grants import documented_grants
from tests.product.process import ServiceProcess, run

DATABASE = "telemetry"  # which `migrate` makes
BATCHES = 5
SETTINGS = {"summary": {"readonly": "2"}}


def user_of(kind: str) -> str:
    return re.sub("[ -]+", "_", kind)


USERS = {
    user_of(kind): ServerUser(SETTINGS.get(kind, {}), grants=tuple(f"GRANT {grant}" for grant in grants))
    for kind, grants in documented_grants(DATABASE, replicated=False).items()
}


@pytest.fixture
def server(libchdb: Path, tmp_path: Path) -> Iterator[ClickHouseWithUsers]:
    folder = tmp_path / "clickhouse"
    folder.mkdir()
    with ClickHouseWithUsers(libchdb=libchdb, folder=folder, users=USERS) as running:
        yield running


async def test_everything_works_with_the_documented_grants(
    kafka_bootstrap: str, server: ClickHouseWithUsers, tmp_path: Path
) -> None:
    def url_of(kind: str) -> str:
        return urlsplit(server.url_of(user_of(kind)))._replace(path=f"/{DATABASE}").geturl()

    with unmigrated_cluster(kafka_bootstrap, "", tmp_path, PARTITIONS="1") as deployment:
        del deployment.settings["CLICKHOUSE"]

        async def typed(command: str, *options: str, by: str = "", **settings: str) -> str:
            more = {"CLICKHOUSE": url_of(by or command), **settings}
            done = await asyncio.to_thread(run, command, *options, settings={**deployment.settings, **more})
            assert done.returncode == 0, done.stderr
            return done.stdout + done.stderr

        await typed("migrate")
        await typed("migrate", RETENTION_DAYS="9")
        deployment.overrides = {name: {"CLICKHOUSE": url_of(name)} for name in ("consumer", "summary")}
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            await count(client, 1)
            with clickhouse_connect.get_client(dsn=server.url, database=DATABASE) as owner:
                owner.command("ALTER TABLE telemetry_counts DELETE WHERE 1", settings={"mutations_sync": 2})
            assert f"{BATCHES} rows inserted" in await typed("verify", "--repair", "--yes", by="verify --repair")

            await produce_what_halts(deployment)
            place = await halts_at(session, deployment.processes["consumer"])
            said = await typed("dead-letters", "--set-aside", place, "--yes", by="dead-letters --set-aside")
            assert "set aside: partition 0 goes on" in said
            await count(client, 2)
            assert "agree" in await typed("verify")
            assert f"{2 * BATCHES} rows" in await typed("purge", "--days", "0")


async def count(client: Client, times: int) -> None:
    """Count BATCHES times, and wait until this was counted so many `times`."""
    for _ in range(BATCHES):
        assert await client.post_batch("alice", uuid4(), [{"event": "suggestion_shown"}]) == 200
    await client.counts_become("alice", {"suggestion_shown": times * BATCHES})


async def halts_at(session: aiohttp.ClientSession, consumer: ServiceProcess) -> str:
    """PARTITION:OFFSET of the record that halts it, once one does."""
    halts: list[dict[str, object]] = []

    async def halted() -> bool:
        async with session.get(f"{consumer.admin}/readyz") as answer:
            halts[:] = (await answer.json()).get("halts", [])
        return bool(halts)

    await eventually(halted, lambda: "no partition halted")
    return f"{halts[0]['partition']}:{halts[0]['offset']}"


async def produce_what_halts(deployment: Deployment) -> None:
    """A record of a newer registry."""
    headers = encode_headers(load_registry(None).revision + 1, b"", [(NO_BATCH, 1)])
    async with AIOKafkaProducer(bootstrap_servers=deployment.settings["KAFKA"]) as producer:
        await producer.send_and_wait(deployment.settings["TOPIC"], b"{}\n", headers=list(headers))
