"""The same bytes under the same token are deduplicated, whatever the servers' defaults are."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.ports.store import MAX_BLOCK_BYTES, MAX_BLOCK_ROWS
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import LOG, block


def whole_lines(lines: bytes, limit: int) -> bytes:
    return lines[: lines.rindex(b"\n", 0, limit) + 1]


LARGEST = whole_lines(block(MAX_BLOCK_ROWS, days=3, viewers=1000), MAX_BLOCK_BYTES)
MOST_ROWS = block(MAX_BLOCK_ROWS)


async def rows_in(clickhouse: ClickHouseUnderTest) -> int:
    return sum(day.rows for day in await clickhouse.store.stored_days(LOG, 0, 0))


@pytest.mark.parametrize("lines", [LARGEST, MOST_ROWS], ids=["20 MB of three days", "200,000 rows"])
async def test_the_largest_block_repeated_counts_once(clickhouse: ClickHouseUnderTest, lines: bytes) -> None:
    for _ in range(2):
        await clickhouse.store.insert(lines, "a", deadline_s=DEADLINE_S)
    assert await rows_in(clickhouse) == lines.count(b"\n")


async def test_a_block_is_one_part_a_day(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.run(f"SYSTEM STOP MERGES {clickhouse.schema.table('telemetry_counts')}")
    await clickhouse.store.insert(LARGEST, "a", deadline_s=DEADLINE_S)
    parts = (
        "SELECT count() FROM system.parts WHERE database = {database:String} AND table = 'telemetry_counts' AND active"
    )
    assert await clickhouse.rows(parts) == [[3]]


@pytest.mark.servers
@pytest.mark.parametrize("first", ["plain", "other"])
async def test_a_repeat_under_other_defaults_counts_once(
    clickhouse_database_url: str, other_defaults_url: str, first: str
) -> None:
    engines = {
        "plain": HttpEngine(parse_server_url(clickhouse_database_url)),
        "other": HttpEngine(parse_server_url(other_defaults_url)),
    }
    opened = {name: on(engine, parse_server_url(clickhouse_database_url).database) for name, engine in engines.items()}
    try:
        await opened["plain"].admin.migrate()
        for name in sorted(engines, key=lambda name: name != first):
            await opened[name].store.insert(LARGEST, "a", deadline_s=DEADLINE_S)
            await opened[name].store.insert(LARGEST, "a", deadline_s=DEADLINE_S)
        assert await rows_in(opened["plain"]) == LARGEST.count(b"\n")
    finally:
        for engine in engines.values():
            await engine.close()
