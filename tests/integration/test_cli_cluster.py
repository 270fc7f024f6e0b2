"""The operator's commands on a broker and a server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import clickhouse_connect
import pytest
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver import Client

from tests.infrastructure.names import fresh
from tests.infrastructure.ports import free_ports
from tests.product.admin import Operator
from tests.product.client import Client as HttpClient
from tests.product.client import eventually
from tests.product.deployments import start_member, unmigrated_cluster
from tests.product.process import COMMAND, ServiceProcess, run

CANARY = b"canary1f6f0f9d"
COLUMNS = ("viewer_id", "event", "count", "created_at", "log_id", "log_partition", "log_offset")


@pytest.fixture
def settings(kafka_bootstrap: str, clickhouse_database_url: str) -> dict[str, str]:
    return {
        "KAFKA": kafka_bootstrap,
        "CLICKHOUSE": clickhouse_database_url,
        "TOPIC": fresh("cli"),
        "GROUP": fresh("group"),
        "PARTITIONS": "2",
        "JWT_SECRET": "only-for-tests-0123456789abcdef-0123456789",
    }


@pytest.fixture
def server(clickhouse_database_url: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=clickhouse_database_url) as client:
        yield client


def value(server: Client, sql: str) -> Any:
    """The one value that this asks for."""
    return server.query(sql).result_rows[0][0]


def migrated(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run("migrate", *arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    return done


def test_migrate_takes_the_announced_steps_then_none_then_those_of_changed_settings(
    settings: dict[str, str], server: Client
) -> None:
    would = migrated(settings, "--dry-run")
    assert "CREATE TABLE" in would.stdout
    assert settings["TOPIC"] in would.stdout
    assert server.query("SHOW TABLES").result_rows == []
    assert migrated(settings).stdout == would.stdout
    again = migrated(settings)
    assert (again.stdout, again.stderr) == ("", "nothing to do: all is as the settings say\n")

    table = "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name LIKE '%counts'"
    assert "toIntervalDay(30)" in value(server, table)
    assert "INTERVAL 9 DAY" in migrated({**settings, "RETENTION_DAYS": "9"}).stdout
    assert "toIntervalDay(9)" in value(server, table)
    assert "note: counts are kept for 31 days" in migrated({**settings, "RETENTION_DAYS": "31"}, "--dry-run").stderr


def test_topics_and_tables_can_be_made_apart_each_with_its_own_servers_setting(settings: dict[str, str]) -> None:
    kafka_only = {name: value for name, value in settings.items() if name != "CLICKHOUSE"}
    store_only = {name: value for name, value in settings.items() if name != "KAFKA"}
    for_others = migrated(kafka_only, "--topics", "--dry-run")
    assert [line for line in for_others.stdout.splitlines() if not line.startswith("    ")] == [
        f"create topic {settings['TOPIC']}{suffix}" for suffix in ("", ".dead", ".keys")
    ]
    assert for_others.stderr == "3 steps would be done\n"
    assert "CREATE TABLE" in migrated(store_only, "--store").stdout
    assert migrated(settings).stdout == for_others.stdout
    assert migrated(kafka_only, "--topics").stderr == "nothing to do: all is as the settings say\n"
    new = migrated(store_only, "--store", "--new-log").stdout
    assert new.startswith(f"topic {settings['TOPIC']} had the identity ")


def test_migrate_may_run_four_times_at_once(settings: dict[str, str], server: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run("migrate", settings=settings), range(4)))
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]
    assert value(server, "SELECT count() FROM telemetry_logs") == 1
    assert value(server, "SELECT count() = uniq(number) FROM telemetry_migrations") == 1
    assert migrated(settings).stdout == ""


def test_a_recreated_topic_gets_a_new_identity_only_with_new_log(settings: dict[str, str], server: Client) -> None:
    ids = "SELECT groupUniqArray(log_id) FROM telemetry_logs"
    migrated(settings)
    first = value(server, ids)
    assert len(first) == 1
    would = migrated(settings, "--new-log", "--dry-run")
    topic = settings["TOPIC"]
    assert would.stdout == f"topic {topic} had the identity {first[0]} and would be given a new one\n"
    assert value(server, ids) == first
    done = migrated(settings, "--new-log")
    (second,) = set(value(server, ids)) - set(first)
    assert done.stdout == f"topic {topic} had the identity {first[0]} and has {second} now\n"
    assert "nothing to do" not in done.stderr


def test_new_log_works_for_a_topic_without_identity(settings: dict[str, str], server: Client) -> None:
    would = migrated(settings, "--new-log", "--dry-run")
    assert would.stdout.endswith("had no identity and would be given a new one\n")
    done = migrated(settings, "--new-log")
    assert done.stdout.endswith(f"had no identity and has {value(server, 'SELECT log_id FROM telemetry_logs')} now\n")


def test_purge_removes_what_is_older_or_far_ahead_and_only_that(settings: dict[str, str], server: Client) -> None:
    migrated(settings)
    now = datetime.now(UTC)
    limit, margin = timedelta(days=5), timedelta(minutes=4)
    ages = [timedelta(days=9), limit + margin, limit - margin, timedelta(), timedelta(minutes=-50), timedelta(days=-40)]
    rows: list[list[Any]] = [
        [f"aged-{number}", "suggestion_undo", 3, now - age, 1, 0, number] for number, age in enumerate(ages)
    ]
    server.insert("telemetry_counts", rows, COLUMNS, settings={"insert_deduplication_token": "rows"})
    viewers = "SELECT viewer_id FROM telemetry_counts ORDER BY viewer_id"
    would = run("purge", "--days", "5", "--dry-run", settings=settings)
    assert would.stdout.startswith("3 rows (9 counts) would go, created ")
    assert ", 1 of them more than an hour ahead of now; the limit is " in would.stdout
    assert len(server.query(viewers).result_rows) == 6
    done = run("purge", "--days", "5", settings=settings)
    assert done.returncode == 0
    assert done.stdout.startswith("3 rows (9 counts) gone, created ")
    assert ", 1 of them more than an hour ahead of now; the limit is " in done.stdout
    assert server.query(viewers).result_columns == [["aged-2", "aged-3", "aged-4"]]


async def test_dead_letters_are_listed_and_never_shown(settings: dict[str, str], tmp_path: Path) -> None:
    migrated(settings)
    assert run("dead-letters", settings=settings).stderr == "none\n"
    async with AIOKafkaProducer(bootstrap_servers=settings["KAFKA"]) as producer:
        for _ in range(2):
            await producer.send_and_wait(settings["TOPIC"], CANARY, partition=1)
    consumer = ServiceProcess(
        ("consumer", "--admin-port", str(*free_ports(1))), settings, log=tmp_path / "consumer.log"
    ).wait_ready()
    try:
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)

            async def written() -> bool:
                return await operator.metric(consumer, "siddes_consumer_dead_letters_total") >= 2

            await eventually(written, lambda: "the bad records were not put aside")
    finally:
        consumer.stop()
    as_json = run("dead-letters", "--json", settings=settings)
    assert json.loads(as_json.stdout) == [
        {"partition": 1, "offset": offset, "reason": "schema_header", "size": len(CANARY)} for offset in (0, 1)
    ]
    table = run("dead-letters", settings=settings)
    assert len(table.stdout.splitlines()) == 3
    assert CANARY.decode() not in as_json.stdout + as_json.stderr + table.stdout + table.stderr + consumer.said()


FOREIGN = ("TZ=UTC-5", "PROMETHEUS_MULTIPROC_DIR=/nonexistent", "PYTHONWARNINGS=error", "LC_ALL=xx_YY", "TMPDIR=/none")


async def test_variables_of_other_programs_change_nothing(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    command = ("env", "-u", "HOME", *FOREIGN, *COMMAND)
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        assert run("migrate", settings=deployment.settings, command=command).returncode == 0
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name, command=command)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        async with aiohttp.ClientSession() as session:
            client = HttpClient(session, deployment)
            assert await client.post("alice", "suggestion_undo") == 200
            await client.counts_become("alice", {"suggestion_undo": 1})
            assert (
                await Operator(session).metric(deployment.processes["consumer"], "siddes_consumer_rows_stored_total")
                == 1
            )
        verified = run("verify", settings=deployment.settings, command=command)
        assert verified.returncode == 0, verified.stderr
        assert verified.stderr == ""
        for process in deployment.processes.values():
            assert "Traceback" not in process.said()


def test_a_service_without_tables_prints_what_it_waits_for(settings: dict[str, str], tmp_path: Path) -> None:
    ports = [str(port) for port in free_ports(2)]
    summary = ServiceProcess(
        ("summary", "--port", ports[0], "--admin-port", ports[1]), settings, log=tmp_path / "summary.log"
    )
    try:
        while "waiting for: store missing: run migrate" not in summary.said():
            time.sleep(0.05)
        assert "ready" not in summary.said()
        migrated(settings)
        summary.wait_ready()
    finally:
        assert summary.stop() == 0


@pytest.mark.parametrize(
    ("name", "value"), [("KAFKA", "127.0.0.1:9"), ("CLICKHOUSE", "http://canary:canary@127.0.0.1:9/counts")]
)
def test_an_unreachable_server_is_an_error_message(settings: dict[str, str], name: str, value: str) -> None:
    done = run("migrate", settings={**settings, name: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr
