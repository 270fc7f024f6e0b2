"""`migrate` on tables that an older version created and filled."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.backends.ports.errors import StoreRefused
from siddes_telemetry.backends.ports.store import StoredDay
from siddes_telemetry.schemas.ddl import create_database, modify_deduplication_window, modify_events
from siddes_telemetry.schemas.table import COUNTS_TABLE
from tests.contract.store.backends import DEADLINE_S, SERVER, ClickHouseUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, block, day_of, row
from tests.contract.store.test_table_changes import ADDED

ROOT = Path(__file__).parents[3]
BEFORE_5 = ROOT / "tests/golden/ddl_single_before_5.sql"
RAN = ((1, "bookkeeping"), (2, "counts"), (4, "verification"))
MADE = "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = 'telemetry_counts'"
PART_TYPES = """
SELECT DISTINCT part_type FROM system.parts
WHERE database = {database:String} AND table = 'telemetry_counts' AND active ORDER BY part_type
"""
PARTS = "SELECT count() FROM system.parts WHERE database = {database:String} AND table = 'telemetry_counts' AND active"
PATIENCE_S = 60  # the store looks for what to merge when it likes
POLL_S = 0.2
ROWS = 3000
OLD_ROWS = block(ROWS, days=3, viewers=50)


@pytest.fixture
async def older(bare_clickhouse: ClickHouseUnderTest) -> ClickHouseUnderTest:
    """Tables as of migration 4, with wide parts: one file for each column."""
    text = "".join(line for line in BEFORE_5.read_text().splitlines(keepends=True) if not line.startswith("--"))
    database = bare_clickhouse.schema.database
    for statement in text.replace("`siddes`", f"`{database}`").split(";\n"):
        if statement.strip():
            await bare_clickhouse.run(statement)
    wide = bare_clickhouse.schema.table("telemetry_counts")
    await bare_clickhouse.run(f"ALTER TABLE {wide} MODIFY SETTING min_bytes_for_wide_part = 0")
    for number, name in RAN:
        await bare_clickhouse.run(
            f"INSERT INTO `{database}`.telemetry_migrations (number, name) VALUES ({number}, '{name}')"
        )
    await bare_clickhouse.store.insert(OLD_ROWS, "old", deadline_s=DEADLINE_S)
    return bare_clickhouse


async def made(clickhouse: ClickHouseUnderTest) -> str:
    """The table's own CREATE statement, on one line."""
    ((statement,),) = await clickhouse.rows(MADE)
    return str(statement)


async def assert_all_there(clickhouse: ClickHouseUnderTest, stored: list[StoredDay]) -> None:
    assert await clickhouse.store.stored_days(LOG, 0, 0) == stored
    assert await clickhouse.store.counts("7", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": ROWS // 50}


async def test_an_older_table_gets_every_change_an_alter_can_make(older: ClickHouseUnderTest) -> None:
    stored = list(await older.store.stored_days(LOG, 0, 0))
    later = [migration for migration in shipped_migrations(older.schema) if migration.number >= 5]
    statements = [statement for migration in later for statement in migration.statements]
    assert await older.admin.migrate() == [
        *statements,
        modify_events(older.schema, COUNTS_TABLE),
        modify_deduplication_window(older.schema),
    ]
    assert await older.admin.migrate() == []
    statement = await made(older)
    for codec in ("`event` Enum8(", "CODEC(T64(), ZSTD(1))", "`log_partition` UInt16 CODEC(T64())"):
        assert codec.replace("()", "") in statement.replace("()", "")
    for setting in (
        "min_bytes_for_wide_part = 68719476736",
        "min_age_to_force_merge_seconds = 3600",
        "non_replicated_deduplication_window = 20000",
    ):
        assert setting in statement
    await assert_all_there(older, stored)


async def test_tokens_survive_the_migration(older: ClickHouseUnderTest) -> None:
    stored = list(await older.store.stored_days(LOG, 0, 0))
    await older.admin.migrate()
    await older.store.insert(OLD_ROWS, "old", deadline_s=DEADLINE_S)
    await assert_all_there(older, stored)


async def test_old_and_new_parts_are_read_and_merged_as_one(older: ClickHouseUnderTest) -> None:
    await older.admin.migrate()
    await older.store.insert(block(ROWS, days=3, viewers=50, start=ROWS), "new", deadline_s=DEADLINE_S)
    assert await older.rows(PART_TYPES) == [["Compact"], ["Wide"]]
    for _ in range(2):
        counts = await older.store.counts("7", since_ms=0, deadline_s=DEADLINE_S)
        assert counts == {"suggestion_shown": 2 * ROWS // 50}
        assert sum(day.rows for day in await older.store.stored_days(LOG, 0, 0)) == 2 * ROWS
        await older.run(f"OPTIMIZE TABLE {older.schema.table('telemetry_counts')} FINAL")


async def test_an_operator_can_recreate_the_table(older: ClickHouseUnderTest) -> None:
    """As docs/operations.md says."""
    stored = list(await older.store.stored_days(LOG, 0, 0))
    await older.admin.migrate()
    aside = replace(older.schema, database=f"{older.schema.database}_next")
    old, new = older.schema.table("telemetry_counts"), aside.table("telemetry_counts")
    await older.run(create_database(aside))
    for migration in shipped_migrations(aside):
        for statement in migration.statements:
            await older.run(statement)
    for day in stored:
        await older.run(
            f"INSERT INTO {new} SELECT * FROM {old} WHERE toDate(created_at) = '{day.day}'",
            settings={"insert_deduplicate": 0},
        )
    await older.run(f"EXCHANGE TABLES {old} AND {new}")
    await older.run(f"DROP DATABASE `{aside.database}` SYNC")
    await assert_all_there(older, stored)
    assert await older.rows(PART_TYPES) == [["Compact"]]
    assert "index_granularity = 2048" in await made(older)
    assert await older.admin.pending() == []


async def test_a_new_table_has_small_granules_and_compact_parts(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(OLD_ROWS, "a", deadline_s=DEADLINE_S)
    assert "index_granularity = 2048" in await made(clickhouse)
    assert await clickhouse.rows(PART_TYPES) == [["Compact"]]


async def test_an_added_event_keeps_codecs_and_constraints(clickhouse: ClickHouseUnderTest) -> None:
    before = await made(clickhouse)
    await clickhouse.admin_with(registry=ADDED).migrate()
    added = "'suggestion_pinned' = 8"
    assert (await made(clickhouse)).replace(f", {added}", "").replace("revision 2", "revision 1") == before
    with pytest.raises(StoreRefused):
        await clickhouse.store.insert(row(count=0), "a", deadline_s=DEADLINE_S)


async def test_a_closed_day_becomes_one_part_and_keeps_its_tokens(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.run(
        f"ALTER TABLE {clickhouse.schema.table('telemetry_counts')} MODIFY SETTING min_age_to_force_merge_seconds = 1"
    )
    late = [row(number, at_ms=NOON_MS - DAY_MS) for number in range(4)]
    for number, line in enumerate(late):
        await clickhouse.store.insert(line, str(number), deadline_s=DEADLINE_S)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await clickhouse.rows(PARTS) == [[1]]:
                break
            await asyncio.sleep(POLL_S)
    for number, line in enumerate(late):
        await clickhouse.store.insert(line, str(number), deadline_s=DEADLINE_S)
    assert await clickhouse.store.stored_days(LOG, 0, 0) == [StoredDay(day_of(NOON_MS - DAY_MS), 4, 3)]


async def test_many_migrate_an_older_table_at_once(older: ClickHouseUnderTest) -> None:
    stored = list(await older.store.stored_days(LOG, 0, 0))
    await asyncio.gather(*(older.admin.migrate() for _ in range(4)))
    assert await older.admin.pending() == []
    await assert_all_there(older, stored)


@pytest.mark.parametrize("bare_clickhouse", [SERVER], indirect=True)
async def test_two_processes_migrate_an_older_table_at_once(
    older: ClickHouseUnderTest, clickhouse_database_url: str
) -> None:
    stored = list(await older.store.stored_days(LOG, 0, 0))
    command = (sys.executable, "-m", "tests.contract.store.migrate_child", clickhouse_database_url)
    for _ in range(2):
        children = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=PIPE) for _ in range(2)]
        ends = await asyncio.gather(*(child.communicate() for child in children))
        assert [(child.returncode, errors) for child, (_, errors) in zip(children, ends, strict=True)] == [(0, b"")] * 2
    assert await older.admin.pending() == []
    await assert_all_there(older, stored)
