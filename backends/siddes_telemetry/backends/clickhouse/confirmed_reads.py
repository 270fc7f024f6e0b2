"""Reads that see every row that was confirmed before, whatever kind of store the server's tables are.

kind        before the read                          with the read
lone        nothing                                  nothing
replicated  SYSTEM SYNC REPLICA of the table         nothing: select_sequential_consistency has no effect while
                                                     inserts run in parallel
shared      nothing                                  select_sequential_consistency = 1

The kind is asked of the server each time, because it may change: tables are exchanged, attached as replicated ones, or
the address leads to another server. Of a cluster, all servers that run are synchronized, because a query of the
Distributed table may read any of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from siddes_telemetry.backends.clickhouse.engine import Engine, Row, Settings
from siddes_telemetry.backends.clickhouse.errors import unsupported_table
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, SYNC_ALL_PINS, SYNC_PINS, time_limit
from siddes_telemetry.backends.clickhouse.table_kind import (
    CountsTable,
    StoreKind,
    TableEngine,
    UnsupportedTableError,
    counts_table,
)
from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.table import COUNTS_TABLE, STORED_COUNTS_TABLE

KIND_DEADLINE_S = 10.0  # a question about two tables, which a busy server may answer late
SYNC_DEADLINE_S = 60.0  # a replica that was away fetches what it missed; the consumer asks again
SYNC_ALL_DEADLINE_S = 600.0  # `verify` asks once

_ENGINES = """
SELECT name, engine, engine_full, (SELECT any(engine) FROM system.databases WHERE name = {database:String})
FROM system.tables WHERE database = {database:String} AND name IN ({counts:String}, {stored:String})
"""

# A table that this user may not see looks as if it were missing. This names what is the matter.
_VISIBLE = """
SELECT created_at, log_id, log_partition, log_offset FROM {database:Identifier}.telemetry_counts WHERE 0
"""

_SEQUENTIAL: Settings = {"select_sequential_consistency": 1}

log = structlog.get_logger(__name__)


class ConfirmedReads:
    """What the reads of one database need."""

    def __init__(self, engine: Engine, schema: ddl.StoreSchema) -> None:
        self._engine = engine
        self._schema = schema
        self._seen: CountsTable | None = None
        self._syncs: dict[str, SharedRun] = {}

    async def counts_table(self) -> CountsTable:
        """Where the counts are now. Raises StoreUnavailable, or StoreMissing before `migrate`."""
        rows = await self._read(_ENGINES, counts=COUNTS_TABLE, stored=STORED_COUNTS_TABLE)
        engines = {name: TableEngine(engine, full) for name, engine, full, _ in rows}
        try:
            found = counts_table(engines, self._schema.database, rows[0][3] if rows else "")
        except UnsupportedTableError as error:
            raise unsupported_table(str(error)) from None
        if found is None:
            await self._read(_VISIBLE)
            raise StoreMissing  # it was made between the two queries: ask again
        return found

    async def watch(self) -> None:
        """Log the kind of the store at the first call, and when it has changed. Raises as counts_table does."""
        found = await self.counts_table()
        if found != self._seen:
            tell = log.info if self._seen is None else log.warning
            tell("store_kind", kind=found.kind.value, sharded=found.cluster is not None)
            self._seen = found

    async def settings_for(self, *tables: str) -> Settings:
        """Settings for a read of these tables. Returns once the servers have all their rows that were confirmed."""
        found = await self.counts_table()
        if found.kind is StoreKind.REPLICATED:
            for table in tables:
                await self._synchronize(table, found)
        return _SEQUENTIAL if found.kind is StoreKind.SHARED else {}

    async def synchronize_all(self, *tables: str) -> None:
        """Like settings_for, and no server of the cluster may be down: none can come back later and lag behind."""
        found = await self.counts_table()
        if found.kind is StoreKind.REPLICATED:
            for table in tables:
                await self._run(self._statement(table, found), SYNC_ALL_PINS, SYNC_ALL_DEADLINE_S)

    async def _read(self, sql: str, **names: str) -> Sequence[Row]:
        return await self._engine.read(
            sql,
            {"database": self._schema.database, **names},
            settings={**READ_PINS, **time_limit(KIND_DEADLINE_S)},
            deadline_s=KIND_DEADLINE_S,
        )

    async def _synchronize(self, table: str, found: CountsTable) -> None:
        statement = self._statement(table, found)
        run = self._syncs.setdefault(statement, SharedRun(partial(self._run, statement, SYNC_PINS, SYNC_DEADLINE_S)))
        await run()

    def _statement(self, table: str, found: CountsTable) -> str:
        return ddl.sync_table(self._schema.database, table, found.cluster)

    async def _run(self, statement: str, pins: Settings, deadline_s: float) -> None:
        await self._engine.run(statement, settings={**pins, **time_limit(deadline_s)}, deadline_s=deadline_s)


class SharedRun:
    """An action for all who ask for it at the same time: who asks while it runs waits for the next run, with others.

    So the partitions of a consumer that are taken over together synchronize the replicas once or twice, not each.
    """

    def __init__(self, action: Callable[[], Awaitable[None]]) -> None:
        self._action = action
        self._lock = asyncio.Lock()
        self._begun = 0
        self._finished = 0

    async def __call__(self) -> None:
        """Return when a run has ended that began after this call. Raises what it raises."""
        wanted = self._begun + 1
        async with self._lock:
            if self._finished < wanted:
                self._begun += 1
                number = self._begun
                await self._action()
                self._finished = number
