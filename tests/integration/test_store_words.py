"""What is wrong with the store is said in readiness, log lines, metrics and by commands: of real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.contract.store.servers import ClickHouseWithUsers, ServerUser
from tests.infrastructure.clickhouse import DATABASE, PASSWORD
from tests.product.admin import Operator
from tests.product.client import Client, bearer, eventually
from tests.product.deployments import migrate, start_member, unmigrated_cluster
from tests.product.process import ServiceProcess, run

pytestmark = pytest.mark.servers

COUNTS = f"{DATABASE}.telemetry_counts"
USERS = {
    "half_reader": ServerUser(grants=(f"GRANT SELECT(viewer_id, event, created_at) ON {COUNTS}",)),
    "reader": ServerUser(grants=(f"GRANT SELECT ON {DATABASE}.*",)),
    "nothing": ServerUser(grants=("GRANT SELECT ON nothing.*",)),
}
TO_WHOM = "TO the user of SIDDES_TELEMETRY_CLICKHOUSE"


@pytest.fixture
def server(libchdb: Path, tmp_path: Path) -> Iterator[ClickHouseWithUsers]:
    folder = tmp_path / "clickhouse"
    folder.mkdir()
    with ClickHouseWithUsers(libchdb=libchdb, folder=folder, users=USERS) as running:
        yield running


async def test_a_missing_grant_is_said_wherever_it_shows(
    kafka_bootstrap: str, server: ClickHouseWithUsers, tmp_path: Path
) -> None:
    with unmigrated_cluster(kafka_bootstrap, server.url, tmp_path) as deployment:
        await asyncio.to_thread(migrate, deployment)
        deployment.overrides = {"summary": {"CLICKHOUSE": server.url_of("half_reader")}}
        deployment.overrides["consumer"] = {"CLICKHOUSE": server.url_of("reader")}
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name)
        summary, consumer = deployment.processes["summary"], deployment.processes["consumer"]
        await asyncio.to_thread(deployment.processes["gateway"].wait_ready)
        async with aiohttp.ClientSession() as session:
            operator, client = Operator(session), Client(session, deployment)
            await says(summary, "waiting for: store access: error 497, GRANT SELECT")
            assert TO_WHOM in (await operator.troubles(summary))["store"]
            async with session.get(f"{deployment.read_url}/api/telemetry", headers=bearer("alice")) as answer:
                assert answer.status == 503
            assert await client.post("alice", "suggestion_accepted", 3) == 200
            await says(consumer, f"ON {COUNTS} {TO_WHOM}")
            assert (await operator.troubles(consumer))["store"].startswith("access: error 497, GRANT INSERT")
            await operator.grows(consumer, 'siddes_consumer_insert_failures_total{reason="access"}')
            waiting = [line for line in consumer.said().splitlines() if '"waiting"' in line]
            assert any('"reason": "access"' in line and '"code": 497' in line for line in waiting), waiting
        for process in deployment.processes.values():
            assert PASSWORD not in process.said()
            assert "alice" not in process.said()
        for command in ("verify", "migrate"):
            done = run(command, settings={**deployment.settings, "CLICKHOUSE": server.url_of("nothing")})
            assert done.returncode != 0
            assert f"error: error 497 of the store (access): GRANT SELECT ON {COUNTS} {TO_WHOM}" in done.stderr
            assert PASSWORD not in done.stderr


async def says(process: ServiceProcess, words: str) -> None:
    async def has_said() -> bool:
        return words in process.said()

    await eventually(has_said, lambda: f"it does not say {words}: {process.said()}")
