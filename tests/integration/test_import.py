"""`siddes-telemetry import`: the counts of an embedded instance go into a cluster's store, once."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from subprocess import CompletedProcess

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client

from siddes_telemetry.schemas.timestamps import format_time
from siddes_telemetry.schemas.viewer import NO_KEY, key_fingerprint
from tests.infrastructure.databases import own_database
from tests.infrastructure.names import fresh
from tests.product.data_folder import Planted, counted, plant, record
from tests.product.process import run

DAY_MS = 86_400_000
pytestmark = pytest.mark.timeout(300)  # dozens of commands, on a busy machine
KEY = "the-viewer-key-of-the-folder"
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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder as it is while an instance runs."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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

    left_out = "1 row left out: older than the retention, or will be within the hour"
    assert done(folder, cluster) == ["9 rows (23 counts) imported", left_out, "both sides are the same on 3 days"]
    rows = rows_of(server, log_id)
    assert [(viewer, count, offset) for viewer, count, _, offset in rows] == [("alice", 7, 2)] + [("bob", 2, 3)] * 8
    again = ["0 rows (0 counts) imported", "9 rows (23 counts) already there", left_out]
    assert done(folder, cluster) == [*again, "both sides are the same on 3 days"]

    filled(folder, [counted("alice", NOW_MS, 1)])  # it went on counting
    more = done(folder, cluster)
    assert more[:2] == ["1 row (1 count) imported", "9 rows (23 counts) already there"]
    assert rows_of(server, log_id)[:-1] == rows
    other = tmp_path / "other"
    other_id = filled(other, [counted("alice", NOW_MS, 3)])
    assert done(other, cluster)[0] == "1 row (3 counts) imported"
    assert len(rows_of(server, other_id)) == 1
    assert done(folder, cluster)[0] == "0 rows (0 counts) imported"


def refused(folder: Path, settings: dict[str, str], *, status: int = 3) -> str:
    """What an import says that imports nothing."""
    process = imported(folder, settings)
    assert (process.returncode, process.stdout) == (status, ""), process.stderr
    *_, said = process.stderr.splitlines()  # the consumer logs why it halts
    assert said.startswith("error: ")
    return said


def test_counts_that_do_not_fit_are_refused(cluster: dict[str, str], server: Client, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert f"there is no data folder {nothing}: name that of the stopped instance" in refused(nothing, cluster)
    nothing.mkdir()
    assert "is no data folder of an embedded instance" in refused(nothing, cluster)
    assert list(nothing.iterdir()) == []

    folder = tmp_path / "data"
    log_id = filled(folder, [counted("alice", NOW_MS, 1)])
    keyed = cluster | {"VIEWER_KEY": KEY}
    assert "has viewer ids as they are, and SIDDES_TELEMETRY_VIEWER_KEY is set" in refused(folder, keyed)
    with locked(folder):
        assert "is in use by another siddes-telemetry process: stop it first" in refused(folder, cluster)
    assert "SIDDES_TELEMETRY_CLICKHOUSE: must be set" in refused(folder, {}, status=2)

    pseudonyms = tmp_path / "pseudonyms"
    pseudonyms.mkdir()
    asyncio.run(plant(pseudonyms, [counted("a" * 64, NOW_MS, 1)], fingerprint=key_fingerprint(KEY.encode())))
    assert "SIDDES_TELEMETRY_VIEWER_KEY is not set: its viewers" in refused(pseudonyms, cluster)
    assert "SIDDES_TELEMETRY_VIEWER_KEY is another: its viewers" in refused(
        pseudonyms, keyed | {"VIEWER_KEY": KEY[::-1]}
    )
    assert done(pseudonyms, keyed)[0] == "1 row (1 count) imported"
    unknown = tmp_path / "unknown"
    unknown.mkdir()
    asyncio.run(plant(unknown, [counted("alice", NOW_MS, 1)]))
    assert "kept no fingerprint of its VIEWER_KEY: start it once" in refused(unknown, cluster)
    halted = tmp_path / "halted"
    filled(halted, [counted("alice", NOW_MS, 1), (NOW_MS, b"{}\n", (("schema", b"9.9"),))])
    assert "is halted at offset 2 (newer_schema)" in refused(halted, cluster)

    columns = "(log_name, generation, log_id)"
    server.command(f"INSERT INTO telemetry_logs {columns} VALUES ('{cluster['TOPIC']}', 2, {log_id})")
    assert f"another log has the identity {log_id}" in refused(folder, cluster)
    server.command(f"DELETE FROM telemetry_logs WHERE log_id = {log_id}")
    assert rows_of(server, log_id) == []


def test_a_cluster_with_other_events_is_refused(clickhouse_url: str, tmp_path: Path) -> None:
    shipped = (files("siddes_telemetry.schemas") / "events.toml").read_text()
    registry, folder = tmp_path / "events.toml", tmp_path / "data"
    filled(folder, [counted("alice", NOW_MS, 1)])
    for name, number, said in (
        ("another", 5, "lack events that this folder has counts of: suggestion_undo = 5. Add them"),
        ("suggestion_undo", 99, "have other ids for events that this folder has counts of: suggestion_undo = 5. An id"),
    ):
        renamed = shipped.replace('"suggestion_undo"\nid = 5', f'"{name}"\nid = {number}')
        registry.write_text(renamed.replace('numerator = "suggestion_undo"', f'numerator = "{name}"'))
        with own_database(clickhouse_url) as url:
            settings = {"CLICKHOUSE": url, "TOPIC": "other-events"}
            migrated = run("migrate", "--store", settings=settings | {"EVENTS": str(registry)})
            assert migrated.returncode == 0, migrated.stderr
            assert f"the cluster's tables {said}" in refused(folder, settings)
            lacking = refused(folder, settings | {"EVENTS": str(registry)})
            assert "set SIDDES_TELEMETRY_EVENTS to the registry that this folder has" in lacking


def test_other_rows_under_the_same_offsets_are_named_and_left_alone(
    cluster: dict[str, str], server: Client, tmp_path: Path
) -> None:
    """Two copies of a folder that counted on."""
    folder, copy = tmp_path / "data", tmp_path / "copy"
    log_id = filled(folder, [counted("alice", NOW_MS - DAY_MS, 1)])
    shutil.copytree(folder, copy)
    filled(copy, [counted("bob", NOW_MS, 2), counted("bob", NOW_MS, 3)])
    filled(folder, [counted("carol", NOW_MS, 4)])
    assert done(copy, cluster)[0] == "3 rows (6 counts) imported"
    rows = rows_of(server, log_id)
    said = refused(folder, cluster, status=1)
    today = format_time(NOW_MS)[:10]
    assert f"the cluster holds other rows than this folder under offsets 2, 3 of {today}: another copy" in said
    assert rows_of(server, log_id) == rows


def test_what_a_purge_removed_since_the_first_import_does_not_come_back(
    cluster: dict[str, str], server: Client, tmp_path: Path
) -> None:
    old, young = counted("old", NOW_MS - 4 * DAY_MS, 1), counted("young", NOW_MS, 2)
    purge = ("purge", "--days", "3")
    folder = tmp_path / "data"
    log_id = filled(folder, [old, counted("older", NOW_MS - 5 * DAY_MS, 1), young])
    assert run(*purge, settings=cluster).returncode == 0  # removes nothing of this folder
    assert done(folder, cluster)[0] == "3 rows (4 counts) imported"
    assert run(*purge, settings=cluster).stdout.startswith("2 rows (2 counts) gone")
    left_out = "2 rows left out: purged since the first import"
    assert done(folder, cluster)[:3] == ["0 rows (0 counts) imported", "1 row (2 counts) already there", left_out]
    assert [row[0] for row in rows_of(server, log_id)] == ["young"]

    other = tmp_path / "other"
    other_id = filled(other, [old, young])
    assert done(other, cluster)[0] == "2 rows (3 counts) imported"
    assert run(*purge, settings={"DATA": str(other)}).stdout.startswith("1 row (1 count) gone")
    assert done(other, cluster)[0] == "0 rows (0 counts) imported"  # the cluster keeps what the folder purged
    assert len(rows_of(server, other_id)) == 2
