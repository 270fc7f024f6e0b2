"""A server that logs everything has a viewer id in no file or system table but the counts table's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from tests.contract.store.backends import DEADLINE_S, on
from tests.contract.store.blocks import DAY_MS, NOON_MS, block, row
from tests.contract.store.servers import ConfiguredClickHouse, talkative
from tests.infrastructure.clickhouse import SYSTEM_LOGS, LocalClickHouse

# Left out: what is the same on every server, and some of it without end.
TABLES = """
SELECT name FROM system.tables
WHERE database = 'system' AND NOT match(name, '^(numbers|zeros|primes|unicode|models)')
"""
LOGS = "SELECT name FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log'"
DEPLOYED = Path(__file__).parents[3] / "deploy/clickhouse.xml"
CANARY = "canary-viewer-7f3a91"


@pytest.fixture
def server(libchdb: Path, tmp_path: Path) -> Iterator[ConfiguredClickHouse]:
    with talkative(libchdb, tmp_path) as running:
        yield running


@pytest.fixture
def quiet(libchdb: Path, tmp_path: Path) -> Iterator[LocalClickHouse]:
    """A server with the configuration that deploy/ adds to that of the image."""
    (tmp_path / "config.d").mkdir()
    shutil.copy(DEPLOYED, tmp_path / "config.d")
    with LocalClickHouse(libchdb=libchdb, folder=tmp_path) as running:
        yield running


def places_with(client: Client, server: ConfiguredClickHouse, needle: str) -> set[str]:
    """Every system table and file that contains the needle, except those of the counts table."""
    client.command("SYSTEM FLUSH LOGS")
    found: set[str] = set()
    for (table,) in client.query(TABLES).result_rows:
        try:
            if needle.encode() in client.raw_query(f"SELECT * FROM system.`{table}`", fmt="JSONEachRow"):
                found.add(table)
        except DatabaseError:
            continue  # it answers only to special questions, or is not for this server
    for file in server.folder.rglob("*"):
        if file.is_file() and "store" not in file.parts and needle.encode() in file.read_bytes():
            found.add(file.name)
    return found


async def test_only_the_counts_table_has_a_viewer_id(server: ConfiguredClickHouse) -> None:
    engine = HttpEngine(parse_server_url(server.url))
    opened = on(engine, "siddes")
    try:
        await opened.admin.migrate()
        await opened.store.insert(row(viewer=CANARY), "a", deadline_s=DEADLINE_S)
        assert await opened.store.counts(CANARY, since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
        assert await opened.store.counts_by_step(CANARY, since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S)
        assert await opened.store.counts_by_window(CANARY, starts_ms=[0, NOON_MS], deadline_s=DEADLINE_S)
        await opened.admin.purge(NOON_MS - 1, NOON_MS)
    finally:
        await engine.close()
    client = clickhouse_connect.get_client(dsn=server.url)
    try:
        assert places_with(client, server, CANARY) == set()
        assert "text_log" in places_with(client, server, "FROM bound"), "the statement itself is in the log"
        assert "text_log" in places_with(client, server, "1-element set"), "so is what the primary key was asked for"
        leaky = CANARY.upper()
        client.query(
            "SELECT count() FROM siddes.telemetry_counts WHERE viewer_id = {viewer:String}",
            parameters={"viewer": leaky},
            settings={"log_queries": 0},
        )
        assert places_with(client, server, leaky), "a bound parameter is in the log: the search can find"
    finally:
        client.close()


async def test_answers_are_not_written_to_the_servers_disk(server: ConfiguredClickHouse) -> None:
    """On a full disk they would be empty, or an error about something else; the whole session is looked at."""

    def files_made() -> int:
        return (server.folder / "clickhouse.log").read_text().count("Creating temporary file")

    engine = HttpEngine(parse_server_url(server.url))
    try:
        before = files_made()
        opened = on(engine, "siddes")
        await opened.admin.migrate()
        await opened.store.insert(block(3000, viewers=50), "a", deadline_s=DEADLINE_S)
        assert await opened.store.counts("7", since_ms=0, deadline_s=DEADLINE_S)
        assert files_made() == before
    finally:
        await engine.close()
    client = clickhouse_connect.get_client(dsn=server.url)
    try:
        client.command("SELECT 1")  # waits for the end, with no buffer
        assert files_made() > before
    finally:
        client.close()


def test_the_shipped_configuration_turns_the_query_logs_off(quiet: LocalClickHouse) -> None:
    client = clickhouse_connect.get_client(dsn=quiet.url)
    try:
        client.command("SYSTEM FLUSH LOGS")
        kept = {name for (name,) in client.query(LOGS).result_rows}
    finally:
        client.close()
    left_out = {"text_log", "trace_log", "processors_profile_log", "session_log"}
    assert left_out < set(SYSTEM_LOGS)
    assert kept.isdisjoint(left_out)
    assert "query_log" in kept
