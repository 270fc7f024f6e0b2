"""Counts on two shards behind a Distributed table.

The statements are those of a cluster, without ON CLUSTER and replication: those need a Keeper, which the local
server has not.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.admin import shipped_migrations
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.schemas.ddl import StoreSchema
from tests.contract.store.backends import DEADLINE_S
from tests.contract.store.blocks import DAY_MS, LOG, REGISTRY, block
from tests.contract.store.servers import CLUSTER, ConfiguredClickHouse, pair

Pair = tuple[ConfiguredClickHouse, ConfiguredClickHouse]
SCHEMA = StoreSchema("siddes", CLUSTER, 30, REGISTRY)
LOCAL_ROWS = "SELECT count() FROM {database:Identifier}.telemetry_counts_local"


@pytest.fixture(scope="module")
def servers(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(libchdb, tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture
async def engines(servers: Pair) -> AsyncIterator[list[HttpEngine]]:
    """A store on each shard, with empty tables."""
    async with AsyncExitStack() as stack:
        engines = [HttpEngine(parse_server_url(server.url)) for server in servers]
        for engine in engines:
            stack.push_async_callback(engine.close)
            for table in ("telemetry_counts", "telemetry_counts_local"):
                await engine.run(f"DROP TABLE IF EXISTS siddes.{table} SYNC", settings={}, deadline_s=DEADLINE_S)
            for migration in shipped_migrations(SCHEMA):
                for statement in migration.statements:
                    await engine.run(without_keeper(statement), settings={}, deadline_s=DEADLINE_S)
        yield engines


def without_keeper(statement: str) -> str:
    statement = statement.replace(f" ON CLUSTER '{CLUSTER}'", "").replace(" replicated_", " non_replicated_")
    statement = re.sub(r"ReplicatedMergeTree\([^)]*\)", "MergeTree", statement)
    return re.sub(r"non_replicated_deduplication_window_seconds = \d+,", "", statement)


async def rows_of(engine: HttpEngine) -> int:
    rows = await engine.read(LOCAL_ROWS, {"database": "siddes"}, settings={}, deadline_s=DEADLINE_S)
    return int(rows[0][0])


async def test_a_block_is_spread_by_viewer_and_its_repeat_dropped_shard_by_shard(engines: list[HttpEngine]) -> None:
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


async def test_a_block_that_reached_one_shard_is_completed_by_its_repeat(engines: list[HttpEngine]) -> None:
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
    servers: Pair, engines: list[HttpEngine]
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
            await store.insert(block(100, viewers=50), "b", deadline_s=DEADLINE_S)
    finally:
        servers[1].start()
