"""`siddes-telemetry import`: the counts of an embedded instance go into a cluster's store, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client

from siddes_telemetry.schemas.viewer import NO_KEY
from tests.infrastructure.names import fresh
from tests.product.data_folder import Planted, counted, plant, record
from tests.product.process import run

DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000
MIDNIGHT_MS = NOW_MS // DAY_MS * DAY_MS


@pytest.fixture
def cluster(clickhouse_database_url: str) -> dict[str, str]:
    """The settings of a cluster whose tables are made."""
    settings = {"CLICKHOUSE": clickhouse_database_url, "TOPIC": fresh("import"), "RETENTION_DAYS": "9"}
    migrated = run("migrate", "--store", settings=settings)
    assert migrated.returncode == 0, migrated.stderr
    return settings


@pytest.fixture
def server(cluster: dict[str, str]) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=cluster["CLICKHOUSE"]) as client:
        yield client


def filled(folder: Path, records: list[Planted]) -> int:
    """Leave a data folder as an instance does that was killed: its log is not stored. Returns the log's identity."""
    folder.mkdir(exist_ok=True)
    return asyncio.run(plant(folder, records, fingerprint=NO_KEY))


def imported(folder: Path, settings: dict[str, str], *options: str) -> CompletedProcess[str]:
    return run("import", str(folder), *options, settings=settings)


def done(folder: Path, settings: dict[str, str], *options: str) -> list[str]:
    """The lines that a successful import prints."""
    process = imported(folder, settings, *options)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.splitlines()


def rows_of(server: Client, log_id: int) -> list[tuple[str, int, str, int]]:
    """Viewer, count, time and offset of each row of this log."""
    asked = (
        "SELECT viewer_id, count, toString(created_at), log_offset FROM telemetry_counts"
        f" WHERE log_id = {log_id} AND log_partition = 0 ORDER BY log_offset, created_at, viewer_id"
    )
    return [(viewer, count, at, offset) for viewer, count, at, offset in server.query(asked).result_rows]


def test_an_import_is_exact_and_can_be_repeated(cluster: dict[str, str], server: Client, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    over_midnight = record(MIDNIGHT_MS - 1000, [("bob", MIDNIGHT_MS + step * 500, 2) for step in range(-4, 4)])
    expired = counted("old", NOW_MS - 9 * DAY_MS, 5)
    log_id = filled(folder, [expired, counted("alice", MIDNIGHT_MS - 3 * DAY_MS, 7), over_midnight])
    thirty_days = run("migrate", settings={"DATA": str(folder)})  # the folder's own retention
    assert thirty_days.returncode == 0, thirty_days.stderr
    would = done(folder, cluster, "--dry-run")
    assert would[0] == "9 rows (23 counts) would be imported"
    assert rows_of(server, log_id) == []

    left_out = "1 rows left out: they are older than the retention, or will be within the hour"
    assert done(folder, cluster) == ["9 rows (23 counts) imported", left_out, "both sides are the same on 3 days"]
    rows = rows_of(server, log_id)
    assert [(viewer, count, offset) for viewer, count, _, offset in rows] == [("alice", 7, 2)] + [("bob", 2, 3)] * 8
    again = ["0 rows (0 counts) imported", "9 rows (23 counts) are there already", left_out]
    assert done(folder, cluster) == [*again, "both sides are the same on 3 days"]

    filled(folder, [counted("alice", NOW_MS, 1)])  # it went on counting
    more = done(folder, cluster)
    assert more[:2] == ["1 rows (1 counts) imported", "9 rows (23 counts) are there already"]
    assert rows_of(server, log_id)[:-1] == rows
    other = tmp_path / "other"
    other_id = filled(other, [counted("alice", NOW_MS, 3)])
    assert done(other, cluster)[0] == "1 rows (3 counts) imported"
    assert len(rows_of(server, other_id)) == 1
    assert done(folder, cluster)[0] == "0 rows (0 counts) imported"
