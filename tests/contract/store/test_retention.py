"""The TTL removes rows past the retention from disk."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from siddes_telemetry.backends.ports.store import StoredDay
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, day_of, row

PATIENCE_S = 90  # the store decides when it looks for expired parts
POLL_S = 1.0
DAYS_WITH_ROWS = """
SELECT DISTINCT partition FROM system.parts -- replaced parts too, until their files are gone
WHERE database = {database:String} AND table = 'telemetry_counts' AND rows > 0 ORDER BY partition
"""


async def hurry(clickhouse: ClickHouseUnderTest) -> None:
    """Check the TTL every second, and keep replaced files for one; the defaults are an hour and eight minutes."""
    table = clickhouse.schema.table("telemetry_counts")
    hurried = "merge_with_ttl_timeout = 1, old_parts_lifetime = 1, cleanup_delay_period = 1"
    await clickhouse.run(f"ALTER TABLE {table} MODIFY SETTING {hurried}")
    await clickhouse.run(f"DETACH TABLE {table} SYNC")  # its threads read their settings when they begin
    await clickhouse.run(f"ATTACH TABLE {table}")


async def days_on_disk(clickhouse: ClickHouseUnderTest, expected: list[str]) -> list[str]:
    """The table days that have rows on disk, as soon as they are the expected ones, or after PATIENCE_S.

    Meanwhile counts go on coming in: a store that nobody writes to looks less and less often.
    """
    days: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (days := [str(found[0]) for found in await clickhouse.rows(DAYS_WITH_ROWS)]) != expected:
                await clickhouse.store.insert(row(partition=1), uuid4().hex, deadline_s=DEADLINE_S)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass  # the caller shows the difference
    return days


async def test_rows_past_the_retention_disappear_from_disk(clickhouse: ClickHouseUnderTest) -> None:
    await hurry(clickhouse)
    old_ms = NOON_MS - 32 * DAY_MS
    await clickhouse.store.insert(row(0) + row(1, at_ms=old_ms), "a", deadline_s=DEADLINE_S)
    today = [day_of(NOON_MS).isoformat()]
    assert await days_on_disk(clickhouse, today) == today
    assert await clickhouse.store.stored_days(LOG, 0, 0) == [StoredDay(day_of(NOON_MS), 1, 0)]


async def test_a_shorter_retention_applies_to_existing_rows(clickhouse: ClickHouseUnderTest) -> None:
    await hurry(clickhouse)
    ten_days_old_ms = NOON_MS - 10 * DAY_MS
    await clickhouse.store.insert(row(0) + row(1, at_ms=ten_days_old_ms), "a", deadline_s=DEADLINE_S)
    days = [day_of(ten_days_old_ms).isoformat(), day_of(NOON_MS).isoformat()]
    assert await days_on_disk(clickhouse, days) == days
    await clickhouse.admin_with(retention_days=5).migrate()
    assert await days_on_disk(clickhouse, days[1:]) == days[1:]


async def test_a_longer_retention_applies_to_existing_rows(clickhouse: ClickHouseUnderTest) -> None:
    twenty_days_old_ms = NOON_MS - 20 * DAY_MS
    await clickhouse.store.insert(row(0, at_ms=twenty_days_old_ms), "a", deadline_s=DEADLINE_S)
    await clickhouse.admin_with(retention_days=60).migrate()
    await hurry(clickhouse)
    await clickhouse.run(f"OPTIMIZE TABLE {clickhouse.schema.table('telemetry_counts')} FINAL")
    assert await clickhouse.store.stored_days(LOG, 0, 0) == [StoredDay(day_of(twenty_days_old_ms), 1, 0)]
