"""Every service and command on a ClickHouse server with the users of deploy/clickhouse-users.xml.

tests/unit/deploy/test_compose.py compares their grants with the documented ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from uuid import uuid4

import aiohttp
import clickhouse_connect
import pytest
from aiokafka import AIOKafkaProducer

from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.product.client import Client, eventually
from tests.product.deploy_files import DEPLOY, make_secrets
from tests.product.deployments import Deployment, start_member, unmigrated_cluster
from tests.product.process import ServiceProcess, run

DATABASE = "telemetry"  # which `migrate` makes
BATCHES = 5


class DeployedClickHouse(LocalClickHouse):
    """A server with deploy/clickhouse-users.xml in its users.d."""

    def _prepare(self) -> list[str]:
        (self.folder / "users.d").mkdir()
        copy(DEPLOY / "clickhouse-users.xml", self.folder / "users.d")
        return super()._prepare()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The secrets that deploy/make-secrets makes, also in the environment."""
    made = make_secrets(tmp_path)
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def server(libchdb: Path, tmp_path: Path, secrets: dict[str, str]) -> Iterator[LocalClickHouse]:
    folder = tmp_path / "clickhouse"
    folder.mkdir()
    with DeployedClickHouse(libchdb=libchdb, folder=folder) as running:
        yield running


async def test_everything_works_with_the_users_of_deploy(
    kafka_bootstrap: str, server: LocalClickHouse, secrets: dict[str, str], tmp_path: Path
) -> None:
    def login(user: str) -> dict[str, str]:
        return {"CLICKHOUSE_USER": user, "CLICKHOUSE_PASSWORD": secrets[f"CLICKHOUSE_{user.upper()}_PASSWORD"]}

    url = f"http://127.0.0.1:{server.port}/{DATABASE}"
    with unmigrated_cluster(kafka_bootstrap, url, tmp_path, PARTITIONS="1") as deployment:

        async def typed(command: str, *options: str, by: str = "operator") -> str:
            done = await asyncio.to_thread(run, command, *options, settings={**deployment.settings, **login(by)})
            assert done.returncode == 0, done.stderr
            return done.stdout + done.stderr

        await typed("migrate", by="migrate")
        deployment.overrides = {name: login(name) for name in ("consumer", "summary")}
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            await count(client, 1)
            with clickhouse_connect.get_client(dsn=server.url, database=DATABASE) as owner:
                owner.command("ALTER TABLE telemetry_counts DELETE WHERE 1", settings={"mutations_sync": 2})
            assert f"{BATCHES} rows inserted" in await typed("verify", "--repair", "--yes")

            await produce_what_halts(deployment)
            place = await halts_at(session, deployment.processes["consumer"])
            said = await typed("dead-letters", "--set-aside", place, "--yes")
            assert "set aside: partition 0 goes on" in said
            await count(client, 2)
            assert "agree" in await typed("verify")
            assert "nothing to do" in await typed("reset-offsets", "--dry-run")
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
