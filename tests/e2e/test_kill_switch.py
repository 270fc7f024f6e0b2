"""SIDDES_TELEMETRY_ENABLED=0 closes the HTTP API, and nothing else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaProducer

from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from tests.e2e.http_requests import ALIAS, BATCH, INGEST, ME, SERIES, SUMMARY, ApiClient
from tests.product.admin import Operator
from tests.product.client import Client, bearer, eventually
from tests.product.deployments import Deployment, cluster, embedded, start_embedded
from tests.product.process import run

UNDER_TELEMETRY = (INGEST, ALIAS, BATCH, SUMMARY, SERIES, "/api/telemetry/", "/api/telemetry/x?days=1")
WRONG = {"Content-Encoding": "br", "Content-Type": "image/png", "Origin": "https://evil.example"}
PREFLIGHT = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}


async def closed_before_anything_else(asking: ApiClient) -> None:
    """Every method of every telemetry path, however wrong; and no path beside them."""
    for target in UNDER_TELEMETRY:
        for method, headers in (
            ("GET", {}),
            ("GET", bearer("alice")),
            ("POST", WRONG),
            ("POST", bearer("alice")),
            ("DELETE", WRONG),
            ("OPTIONS", PREFLIGHT),
        ):
            body = b"{" * 300_000 if method == "POST" else None
            assert (await asking.ask(method, target, headers, body)).code == "telemetry_disabled"
    assert (await asking.get("/api/telemetryx")).code == "not_found"
    assert (await asking.get("/openapi.json")).status == 200
    assert (await asking.get(ME)).code == "no_viewer"
    assert (await asking.get(ME, "alice")).json["viewer_id"] == "alice"


async def test_one_process_switched_off_stores_what_was_taken_before(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            statuses = await asyncio.gather(*(client.post(f"viewer-{n}", "suggestion_undo", 3) for n in range(50)))
            assert set(statuses) == {200}
            deployment.processes["up"].kill()  # whatever of it is stored by now
            deployment.settings["ENABLED"] = "0"
            start_embedded(deployment)
            assert await Operator(session).troubles(deployment.processes["up"]) == {}
            assert '"event": "switched_off"' in deployment.processes["up"].said()
            await closed_before_anything_else(ApiClient(session, deployment.write_url))
            await eventually(
                lambda: stored(deployment, "50 rows (150 counts)"), lambda: "what was taken was not stored"
            )


async def stored(deployment: Deployment, rows: str) -> bool:
    """Whether the running instance has so many rows, said by a purge that removes nothing."""
    done = await asyncio.to_thread(run, "purge", "--dry-run", "--days", "0", settings=deployment.settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.startswith(rows)


async def test_a_cluster_switched_off_stores_what_was_taken_before(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, ENABLED="0") as deployment:
        lines = encode_lines("alice", {"suggestion_undo": 3}, format_time(time.time_ns() // 1_000_000))
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            headers = list(encode_headers(1, lines, [(NO_BATCH, 1)]))
            await producer.send_and_wait(deployment.settings["TOPIC"], lines, headers=headers)
        async with aiohttp.ClientSession() as session:
            for process in deployment.processes.values():
                assert await Operator(session).troubles(process) == {}
            for url in (deployment.write_url, deployment.read_url):
                await closed_before_anything_else(ApiClient(session, url))
            await eventually(lambda: stored(deployment, "1 row (3 counts)"), lambda: "what was taken was not stored")
