"""`migrate` after a change of the retention or the registry, and from several processes at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.backends.ports.errors import EventsConflict, StoreConflict, StoreFailed, StoreRefused
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.registry import Event, Registry
from siddes_telemetry.schemas.registry_changes import known_events
from siddes_telemetry.schemas.table import COUNTS_TABLE
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest
from tests.contract.store.blocks import LOG, REGISTRY, row

ADDED = Registry(2, (*REGISTRY.events, Event("suggestion_pinned", 8, "The viewer pinned a suggestion.", "Pinned")))
REMOVED = Registry(2, REGISTRY.events[:-1])
RENAMED = Registry(2, (*REGISTRY.events[:-1], replace(REGISTRY.events[-1], name="embeddings_off")))
RENUMBERED = Registry(2, (*REGISTRY.events[:-1], replace(REGISTRY.events[-1], id=9)))


async def test_a_changed_retention_becomes_one_alter(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with(retention_days=365)
    pending = await admin.pending()
    assert [statement.split(" MODIFY ")[1] for statement in pending] == [
        "TTL toDateTime(created_at) + INTERVAL 365 DAY"
    ]
    assert await admin.migrate() == pending
    assert await admin.pending() == []
    assert len(await clickhouse.admin.pending()) == 1  # back again


async def test_an_added_event_becomes_one_alter_and_keeps_rows_and_tokens(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    pinned = row(1, event="suggestion_pinned", count=5)
    with pytest.raises(StoreRefused):
        await clickhouse.store.insert(pinned, "b", deadline_s=DEADLINE_S)
    admin = clickhouse.admin_with(registry=ADDED)
    assert len(await admin.migrate()) == 1
    assert await admin.pending() == []
    for lines, token in ((row(), "a"), (pinned, "b")):
        await clickhouse.store.insert(lines, token, deadline_s=DEADLINE_S)
    counts = await clickhouse.store.counts("42", since_ms=0, deadline_s=DEADLINE_S)
    assert counts == {"suggestion_shown": 1, "suggestion_pinned": 5}


@pytest.mark.parametrize("registry", [REMOVED, RENAMED, RENUMBERED], ids=["removed", "renamed", "renumbered"])
async def test_an_event_that_rows_may_hold_stays(clickhouse: ClickHouseUnderTest, registry: Registry) -> None:
    admin = clickhouse.admin_with(registry=registry)
    for attempt in (admin.pending, admin.migrate):
        with pytest.raises(StoreConflict, match="embeddings_opt_out"):
            await attempt()
    assert await clickhouse.admin.pending() == []


PHOTOS = Registry(1, (Event("photo_opened", 1, "Opened.", "Opened"), Event("photo_sent", 2, "Sent.", "Sent")))


async def unused() -> bool:
    return True


async def test_a_store_that_never_counted_takes_any_registry(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with(registry=PHOTOS)
    pending = await admin.pending(log_is_unused=unused)
    assert any(statement.startswith("DROP TABLE") for statement in pending)
    assert await admin.migrate(log_is_unused=unused) == pending
    assert await admin.pending() == []
    assert await clickhouse.admin_with(registry=PHOTOS).stored_events() == known_events(PHOTOS)
    await clickhouse.store.insert(row(event="photo_opened"), "a", deadline_s=DEADLINE_S)
    assert await clickhouse.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"photo_opened": 1}


async def test_a_table_of_somebody_else_is_not_looked_at(clickhouse: ClickHouseUnderTest) -> None:
    table = clickhouse.schema.table("copy_of_counts")
    await clickhouse.run(f"CREATE TABLE {table} (event Enum8('another_event' = 1)) ENGINE = Memory")
    assert await clickhouse.admin.pending() == []


async def test_a_store_that_counted_or_whose_log_has_records_keeps_its_events(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with(registry=PHOTOS)
    with pytest.raises(EventsConflict):
        await admin.migrate()
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    for attempt in (admin.pending, admin.migrate):
        with pytest.raises(EventsConflict, match="none of the earlier events"):
            await attempt(log_is_unused=unused)
    assert await clickhouse.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}


async def test_the_drop_itself_looks_for_rows(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    with pytest.raises(StoreFailed, match="705"):  # TABLE_NOT_EMPTY
        await clickhouse.run(ddl.drop_table(clickhouse.schema, COUNTS_TABLE))
    assert await clickhouse.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}


async def test_a_revision_that_was_not_raised_is_refused(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    admin = clickhouse.admin_with(registry=replace(ADDED, revision=REGISTRY.revision))
    with pytest.raises(EventsConflict, match="write `revision = 2`"):
        await admin.migrate(log_is_unused=unused)


async def test_a_retired_event_is_remembered_by_the_store(clickhouse: ClickHouseUnderTest) -> None:
    *others, last = REGISTRY.events
    retired = Registry(2, (*others, replace(last, retired=True)))
    assert len(await clickhouse.admin_with(registry=retired).migrate()) == 1
    assert await clickhouse.admin_with(registry=retired).pending() == []
    with pytest.raises(EventsConflict, match="was 2 and is 1: write `revision = 3`"):
        await clickhouse.admin.pending()


async def test_concurrent_changes_have_the_effect_of_one(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    admin = clickhouse.admin_with(retention_days=60, registry=ADDED)
    await asyncio.gather(*(admin.migrate() for _ in range(6)))
    assert await admin.pending() == []
    assert (await clickhouse.store.stored_days(LOG, 0, 0))[0].rows == 1


async def test_of_concurrent_migrators_one_is_recorded(bare_clickhouse: ClickHouseUnderTest) -> None:
    await asyncio.gather(*(bare_clickhouse.admin.migrate() for _ in range(8)))
    written = "SELECT number, name FROM {database:Identifier}.telemetry_migrations ORDER BY number"
    names = [[migration.number, migration.name] for migration in shipped_migrations(bare_clickhouse.schema)]
    assert await bare_clickhouse.rows(written) == names


async def test_a_migration_that_died_before_it_was_recorded_runs_again(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.run(f"TRUNCATE TABLE {clickhouse.schema.table('telemetry_migrations')}")
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert await clickhouse.admin.migrate()
    assert await clickhouse.admin.pending() == []
    assert (await clickhouse.store.stored_days(LOG, 0, 0))[0].rows == 1


async def test_more_partitions_make_the_store_remember_more_tokens_and_keep_those_it_has(
    clickhouse: ClickHouseUnderTest,
) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    admin = clickhouse.admin_with(partitions=1024)
    (statement,) = await admin.migrate()
    assert "non_replicated_deduplication_window = 524000" in statement
    assert await admin.pending() == await clickhouse.admin.pending() == [], "fewer partitions need no smaller window"
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert [day.rows for day in await clickhouse.store.stored_days(LOG, 0, 0)] == [1]


async def test_a_cluster_is_not_laid_over_the_tables_of_a_single_server(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with(cluster="pair")
    for attempt in (admin.pending, admin.migrate):
        with pytest.raises(StoreConflict, match="SIDDES_TELEMETRY_CLUSTER is set"):
            await attempt()
