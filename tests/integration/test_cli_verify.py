"""`siddes-telemetry verify` as an operator types it, on live instances of both deployment modes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import clickhouse_connect
import pytest

from tests.product.client import Client
from tests.product.deployments import Deployment, cluster, embedded
from tests.product.process import Settings, run

BATCHES = 30
EVENTS = [{"event": "suggestion_shown", "count": 2}, {"event": "suggestion_accepted", "count": 1}]
COUNTS = {"suggestion_shown": 2 * BATCHES, "suggestion_accepted": BATCHES}


async def filled(deployment: Deployment) -> None:
    """Count, every batch twice, and wait until it is stored."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, deployment)
        for _ in range(BATCHES):
            batch_id = uuid4()
            for _ in range(2):
                assert await client.post_batch("alice", batch_id, EVENTS) == 200
        await client.counts_become("alice", COUNTS)


def verified(settings: Settings, *arguments: str) -> tuple[CompletedProcess[str], dict[str, Any]]:
    done = run("verify", "--json", *arguments, settings=settings)
    assert done.stdout, done.stderr
    return done, json.loads(done.stdout)


def total(report: dict[str, Any], field: str) -> int:
    return sum(partition[field] for partition in report["partitions"])


def assert_agrees(settings: Settings) -> None:
    done, report = verified(settings)
    assert (done.returncode, report["ok"]) == (0, True), done.stdout
    assert (total(report, "rows"), total(report, "counts")) == (2 * BATCHES, 3 * BATCHES)
    assert (total(report, "missing"), total(report, "surplus"), total(report, "lag")) == (0, 0, 0)
    assert total(report, "repeated_batches") == BATCHES


def test_a_running_and_a_stopped_embedded_instance_agree(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        asyncio.run(filled(deployment))
        assert_agrees(deployment.settings)
        table = run("verify", "--hours", "1", settings=deployment.settings)
        assert (table.returncode, table.stderr) == (0, "")
        lines = table.stdout.splitlines()
        assert lines[0].split() == [
            "partition",
            "records",
            "rows",
            "counts",
            "missing",
            "surplus",
            "in",
            "doubt",
            "lag",
        ]
        assert re.fullmatch(rf"\s+0\s+\d+\s+{2 * BATCHES}\s+{3 * BATCHES}(\s+0){{4}}", lines[1])
        assert lines[-1] == "store and log agree"
        assert run("purge", "--days", "0", settings=deployment.settings).returncode == 0
        done, report = verified(deployment.settings)
        assert (done.returncode, total(report, "rows"), total(report, "left_out_rows")) == (0, 0, 2 * BATCHES)
        assert "alice" not in done.stdout + table.stdout
        assert deployment.processes["up"].stop() == 0
        assert verified(deployment.settings)[1] == {**report, "since_ms": report["since_ms"]}


@pytest.fixture(scope="module")
def deployment(
    kafka_bootstrap: str, clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A running cluster with counts in it, in a database of its own."""
    url = urlsplit(clickhouse_url)._replace(path=f"/verified_{uuid4().hex[:8]}").geturl()
    with cluster(kafka_bootstrap, url, tmp_path_factory.mktemp("verified"), PARTITIONS="2") as running:
        asyncio.run(filled(running))
        yield running
        with clickhouse_connect.get_client(dsn=clickhouse_url) as server:
            server.command(f"DROP DATABASE {urlsplit(url).path[1:]} SYNC")


def change(deployment: Deployment, sql: str) -> None:
    with clickhouse_connect.get_client(dsn=deployment.settings["CLICKHOUSE"]) as server:
        server.command(sql, settings={"mutations_sync": 2, "insert_deduplication_token": uuid4().hex})


def test_a_running_cluster_agrees(deployment: Deployment) -> None:
    assert_agrees(deployment.settings)


def test_missing_rows_are_reported_and_inserted_once_confirmed(deployment: Deployment) -> None:
    change(deployment, "ALTER TABLE telemetry_counts DELETE WHERE event = 'suggestion_accepted'")
    done, report = verified(deployment.settings)
    assert (done.returncode, report["ok"], total(report, "missing")) == (1, False, BATCHES)
    asked = run("verify", "--repair", settings=deployment.settings)  # nobody answers
    assert asked.returncode == 1
    assert f"insert the {BATCHES} missing rows?" in asked.stderr
    assert total(verified(deployment.settings)[1], "missing") == BATCHES
    repaired, report = verified(deployment.settings, "--repair", "--yes")
    assert (repaired.returncode, report["ok"]) == (0, True)
    assert f"{BATCHES} rows inserted" in repaired.stderr
    assert_agrees(deployment.settings)
    assert "alice" not in done.stdout + asked.stderr + repaired.stderr


def test_surplus_rows_are_reported_and_kept(deployment: Deployment) -> None:
    columns = "viewer_id, event, count, created_at, log_id, log_partition, log_offset"
    twice = f"SELECT {columns} FROM telemetry_counts ORDER BY log_partition, log_offset LIMIT 3"
    change(deployment, f"INSERT INTO telemetry_counts ({columns}) {twice}")
    try:
        done, report = verified(deployment.settings, "--repair", "--yes")
        assert (done.returncode, total(report, "surplus"), total(report, "missing")) == (1, 3, 0)
        assert sum(place["surplus"] for each in report["partitions"] for place in each["places"]) == 3
    finally:
        change(deployment, "ALTER TABLE telemetry_counts DELETE WHERE 1")
        assert run("verify", "--repair", "--yes", settings=deployment.settings).returncode == 0
    assert_agrees(deployment.settings)


def test_an_unreachable_or_missing_log_exits_with_3(deployment: Deployment) -> None:
    away = run("verify", settings={**deployment.settings, "KAFKA": "127.0.0.1:9"})
    assert away.returncode == 3
    assert away.stderr.splitlines()[-1].startswith("error: the broker in SIDDES_TELEMETRY_KAFKA refuses the connection")
    other = run("verify", settings={**deployment.settings, "TOPIC": "no-such-topic"})
    assert other.returncode == 3
    assert "run siddes-telemetry migrate" in other.stderr
