"""Counts on two shards behind a Distributed table.

The statements are those of a cluster, without ON CLUSTER and replication: those need a Keeper, which the local
server has not. So the tables are MergeTrees that are taken for replicated ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.clickhouse.audit import ClickHouseAudit
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.ports.errors import StoreConflict, StoreUnavailable
from siddes_telemetry.schemas.ddl import StoreSchema
from tests.contract.store.backends import DEADLINE_S
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, REGISTRY, block
from tests.contract.store.servers import CLUSTER, ConfiguredClickHouse, pair
from tests.contract.store.without_keeper import WithoutKeeper, without_keeper

Pair = tuple[ConfiguredClickHouse, ConfiguredClickHouse]
SCHEMA = StoreSchema("siddes", CLUSTER, 30, REGISTRY)
LOCAL_ROWS = "SELECT count() FROM {database:Identifier}.telemetry_counts_local"


@pytest.fixture(scope="module")
def servers(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(libchdb, tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture
async def engines(servers: Pair) -> AsyncIterator[list[WithoutKeeper]]:
    """A store on each shard, with empty tables."""
    async with AsyncExitStack() as stack:
        engines = [WithoutKeeper(parse_server_url(server.url)) for server in servers]
        for engine in engines:
            stack.push_async_callback(engine.close)
            for table in ("telemetry_counts", "telemetry_counts_local"):
                await engine.run(f"DROP TABLE IF EXISTS siddes.{table} SYNC", settings={}, deadline_s=DEADLINE_S)
            for migration in shipped_migrations(SCHEMA):
                for statement in migration.statements:
                    await engine.run(without_keeper(statement), settings={}, deadline_s=DEADLINE_S)
        yield engines


async def rows_of(engine: HttpEngine) -> int:
    rows = await engine.read(LOCAL_ROWS, {"database": "siddes"}, settings={}, deadline_s=DEADLINE_S)
    return int(rows[0][0])


async def test_a_block_is_spread_by_viewer_and_its_repeat_dropped_shard_by_shard(engines: list[WithoutKeeper]) -> None:
    stores = [ClickHouseStore(engine, SCHEMA) for engine in engines]
    lines = block(3000, days=3, viewers=50)
    for store in (*stores, *stores):  # through either server
        await store.insert(lines, "a", deadline_s=DEADLINE_S)
    assert min([await rows_of(engine) for engine in engines]) > 0
    for store in stores:
        assert sum(day.rows for day in await store.stored_days(LOG, 0, 0)) == 3000
        assert await store.counts("7", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 60}
        by_day = await store.counts_by_step("7", since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S)
        assert [counts["suggestion_shown"] for counts in by_day.values()] == [20, 20, 20]
        windows = await store.counts_by_window("7", starts_ms=[0, NOON_MS - DAY_MS], deadline_s=DEADLINE_S)
        assert [counts["suggestion_shown"] for counts in windows] == [20, 40]


async def test_a_block_that_reached_one_shard_is_completed_by_its_repeat(engines: list[WithoutKeeper]) -> None:
    store = ClickHouseStore(engines[0], SCHEMA)
    lines = block(3000, viewers=50)
    await store.insert(lines, "a", deadline_s=DEADLINE_S)
    whole = [await rows_of(engine) for engine in engines]
    await engines[1].run("DROP TABLE siddes.telemetry_counts_local SYNC", settings={}, deadline_s=DEADLINE_S)
    for statement in shipped_migrations(SCHEMA)[1].statements:
        await engines[1].run(without_keeper(statement), settings={}, deadline_s=DEADLINE_S)
    await store.insert(lines, "a", deadline_s=DEADLINE_S)
    assert [await rows_of(engine) for engine in engines] == whole


async def test_a_shard_that_is_away_is_an_outage_and_not_a_smaller_sum(
    servers: Pair, engines: list[WithoutKeeper]
) -> None:
    store = ClickHouseStore(engines[0], SCHEMA)
    await store.insert(block(100, viewers=50), "a", deadline_s=DEADLINE_S)
    servers[1].stop()
    try:
        with pytest.raises(StoreUnavailable):
            await store.counts("7", since_ms=0, deadline_s=DEADLINE_S)
        with pytest.raises(StoreUnavailable):
            await store.counts_by_step("7", since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S)
        with pytest.raises(StoreUnavailable):
            await store.counts_by_window("7", starts_ms=[0, NOON_MS], deadline_s=DEADLINE_S)
        with pytest.raises(StoreUnavailable):
            await store.insert(block(100, viewers=50), "b", deadline_s=DEADLINE_S)
    finally:
        servers[1].start()


async def test_reads_that_decide_what_was_stored_synchronize_every_server_of_the_cluster(
    engines: list[WithoutKeeper],
) -> None:
    store, audit = ClickHouseStore(engines[0], SCHEMA), ClickHouseAudit(engines[0], SCHEMA)
    counts = f"SYSTEM SYNC REPLICA ON CLUSTER '{CLUSTER}' `siddes`.`telemetry_counts_local` LIGHTWEIGHT"
    bookkeeping = "SYSTEM SYNC REPLICA `siddes`.`telemetry_{}` LIGHTWEIGHT"
    expected: dict[str, tuple[Callable[[], Awaitable[object]], list[str]]] = {
        "stored_days": (lambda: store.stored_days(LOG, 0, 0), [counts]),
        "log_id": (lambda: store.log_id("log"), [bookkeeping.format("logs")]),
        "log_id, before each insert": (lambda: store.log_id("log", synchronized=False), []),
        "set_asides": (lambda: store.set_asides(LOG, 0), [bookkeeping.format("set_asides")]),
        "purge_history": (
            lambda: store.purge_history(LOG),
            [bookkeeping.format("purges"), bookkeeping.format("purges_ahead")],
        ),
        "verify": (
            audit.sync_replicas,
            [counts, *(bookkeeping.format(table) for table in ("purges", "purges_ahead", "set_asides"))],
        ),
        "summary": (lambda: store.counts("7", since_ms=0, deadline_s=DEADLINE_S), []),
        "readiness": (store.ping_insert, []),
    }
    admin = ClickHouseAdmin(engines[0], SCHEMA, random_log_id=lambda: 7)
    logs = bookkeeping.format("logs")
    expected["a new identity"] = (lambda: admin.adopt_log("another"), [logs, counts, logs, logs])
    for read, statements in expected.values():
        engines[0].synchronized.clear()
        await read()
        assert engines[0].synchronized == statements
    assert not await store.tokens_may_lack_rows()


@pytest.mark.usefixtures("engines")
async def test_shards_without_replicas_are_refused(servers: Pair) -> None:
    plain = HttpEngine(parse_server_url(servers[0].url))
    try:
        with pytest.raises(StoreUnavailable, match="telemetry_counts_local must be replicated") as refused:
            await ClickHouseStore(plain, SCHEMA).stored_days(LOG, 0, 0)
        assert refused.value.reason == "tables"
    finally:
        await plain.close()


async def test_the_tables_of_a_cluster_are_migrated_with_its_name_only(engines: list[WithoutKeeper]) -> None:
    admin = ClickHouseAdmin(engines[0], replace(SCHEMA, cluster=None), random_log_id=lambda: 7)
    with pytest.raises(StoreConflict, match="set SIDDES_TELEMETRY_CLUSTER"):
        await admin.pending()
