"""A database may have any name: every statement quotes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.ports.store import RowSelection, SetAside
from siddes_telemetry.cli.endpoints import clickhouse_url
from siddes_telemetry.schemas.quoting import quote_identifier
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import LOG, NEVER_MS, NOON_MS, row
from tests.infrastructure.names import fresh

HOSTILE = "a'b\"c`d\\e\\n {database:Identifier} %41 %s ${counts} $1 /../;--/* zähler 名前 \U0001f511"


@asynccontextmanager
async def on_chdb(request: pytest.FixtureRequest, name: str) -> AsyncIterator[ClickHouseUnderTest]:
    yield on(request.getfixturevalue("chdb_engine"), name)


@asynccontextmanager
async def on_server(request: pytest.FixtureRequest, name: str) -> AsyncIterator[ClickHouseUnderTest]:
    base, _, _ = request.getfixturevalue("clickhouse_database_url").rpartition("/")
    address = parse_server_url(clickhouse_url(f"{base}/{quote(name, safe='')}"))
    assert address.database == name
    engine = HttpEngine(replace(address, hosts=address.hosts * 2))  # with several, their identity is asked for, too
    try:
        yield on(engine, address.database)
    finally:
        await engine.close()


@pytest.mark.parametrize("name", ["my-db.1", "select", HOSTILE], ids=["dash", "keyword", "hostile"])
@pytest.mark.parametrize(
    "opening", [on_chdb, pytest.param(on_server, marks=pytest.mark.servers)], ids=["chdb", "server"]
)
async def test_a_database_may_have_any_name(request: pytest.FixtureRequest, opening: object, name: str) -> None:
    name += fresh("")
    assert callable(opening)
    async with opening(request, name) as opened:
        try:
            await uses_everything(opened)
        finally:
            await opened.run(f"DROP DATABASE IF EXISTS {quote_identifier(name)} SYNC")


async def uses_everything(opened: ClickHouseUnderTest) -> None:
    """Every statement that we have."""
    await opened.admin.migrate()
    assert await opened.admin.pending() == []
    await opened.admin_with(retention_days=31).migrate()
    log_id = await opened.admin.adopt_log("it's a `log`\\")
    assert await opened.store.log_id("it's a `log`\\") == log_id
    for _ in range(2):
        await opened.store.insert(row(0) + row(1), "a", deadline_s=DEADLINE_S)
    assert [day.rows for day in await opened.store.stored_days(LOG, 0, 0)] == [2]
    assert await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 2}
    assert await opened.store.counts_by_step("42", since_ms=0, step_ms=3_600_000, deadline_s=DEADLINE_S)
    assert await opened.store.counts_by_window("42", starts_ms=[0, NOON_MS + 1], deadline_s=DEADLINE_S)
    await opened.store.write_set_aside(LOG, 0, SetAside(7))
    assert await opened.store.set_asides(LOG, 0) == [SetAside(7)]
    await opened.store.ping_insert()
    await opened.store.ping_summary()
    await opened.audit.sync_replicas()
    assert (await opened.audit.sums(RowSelection(LOG, 0, 0, 10, 0))).rows == 2
    await opened.admin.purge(NOON_MS + 1, NEVER_MS)
    assert await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {}
    assert (await opened.store.purge_history(LOG)).before_ms == NOON_MS + 1
