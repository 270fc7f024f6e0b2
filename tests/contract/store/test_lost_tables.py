"""Tables that were lost are made anew, and a log gets the identity back that its rows have."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.ports.errors import StoreConflict
from siddes_telemetry.schemas import table
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, row

TABLES = (
    table.COUNTS_TABLE,
    table.LOGS_TABLE,
    table.MIGRATIONS_TABLE,
    table.PURGES_TABLE,
    table.PURGES_AHEAD_TABLE,
    table.SET_ASIDES_TABLE,
)


async def lose(clickhouse: ClickHouseUnderTest, *tables: str) -> None:
    for name in tables:
        await clickhouse.run(f"DROP TABLE {clickhouse.schema.table(name)} SYNC")


async def created(clickhouse: ClickHouseUnderTest) -> dict[str, str]:
    asked = "SELECT name, create_table_query FROM system.tables WHERE database = {database:String}"
    return {str(name): str(query) for name, query in await clickhouse.rows(asked)}


@pytest.mark.parametrize("lost", [*[(name,) for name in TABLES], TABLES[:3]], ids="+".join)
async def test_a_lost_table_is_made_as_it_was(clickhouse: ClickHouseUnderTest, lost: tuple[str, ...]) -> None:
    before = await created(clickhouse)
    await lose(clickhouse, *lost)
    admin = clickhouse.admin_with()
    pending = await admin.pending()
    assert await admin.migrate() == pending
    if table.MIGRATIONS_TABLE not in lost:  # else it cannot be known what has run: everything runs again
        assert all(any(name in statement for name in lost) for statement in pending)
    assert await created(clickhouse) == before
    assert await admin.pending() == []
    await clickhouse.store.ping_insert()


async def test_a_log_whose_name_was_lost_keeps_the_identity_of_its_rows(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with()
    await admin.adopt_log("log", log_id=LOG)
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    await lose(clickhouse, table.LOGS_TABLE)
    await admin.migrate()
    assert await admin.adopt_log("log") == LOG == await clickhouse.store.log_id("log")
    assert await admin.adopt_log("another") != LOG


async def test_a_log_gets_none_of_several_identities_unasked(clickhouse: ClickHouseUnderTest) -> None:
    admin = clickhouse.admin_with()
    older = row(at_ms=NOON_MS - DAY_MS).replace(b'"log_id":%d' % LOG, b'"log_id":%d' % (LOG + 1))
    for number, line in enumerate((row(), older)):
        await clickhouse.store.insert(line, str(number), deadline_s=DEADLINE_S)
    with pytest.raises(StoreConflict, match=rf": {LOG}, {LOG + 1}\..*--log-id"):
        await admin.adopt_log("log")
    assert await admin.adopt_log("log", log_id=LOG) == LOG
    assert await admin.adopt_log("log") == LOG


async def test_a_new_log_never_gets_the_identity_of_rows(clickhouse: ClickHouseUnderTest) -> None:
    await clickhouse.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert await clickhouse.admin_with().adopt_log("log", new=True) != LOG
