"""Services that are there before their topic and tables: they wait, say for what, and go on by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.product.admin import Operator
from tests.product.client import Client, bearer, eventually
from tests.product.deployments import migrate, start_member, unmigrated_cluster
from tests.product.process import ServiceProcess

TOPIC = "log missing: run migrate"
TABLE = "store missing: run migrate"
WAITS_FOR = {"gateway": (TOPIC,), "consumer": (TOPIC, TABLE), "summary": (TABLE,)}


async def test_services_wait_for_migrate_and_print_it(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        for name in WAITS_FOR:
            start_member(deployment, name)
        async with aiohttp.ClientSession() as session:
            operator, client = Operator(session), Client(session, deployment)
            for name, missing in WAITS_FOR.items():
                process = deployment.processes[name]
                for words in missing:
                    await says(process, words)
                assert "ready:" not in process.said()
                assert set(missing) <= {f"{check} {word}" for check, word in (await operator.troubles(process)).items()}
                assert await operator.healthy(process)
            assert await client.post("alice", "suggestion_shown") == 503
            async with session.get(f"{deployment.read_url}/api/telemetry", headers=bearer("alice")) as answer:
                assert answer.status == 503
            await asyncio.to_thread(migrate, deployment)
            for process in deployment.processes.values():
                await asyncio.to_thread(process.wait_ready)
            assert await client.post("alice", "suggestion_accepted", 3) == 200
            await client.counts_become("alice", {"suggestion_accepted": 3})


async def says(process: ServiceProcess, words: str) -> None:
    async def has_said() -> bool:
        lines = process.said().splitlines()
        return any(words in line for line in lines if line.startswith("waiting for: "))

    await eventually(has_said, lambda: f"it does not say that it waits for {words}")
