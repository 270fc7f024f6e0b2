"""StoreAdmin over any Engine: `migrate` and `purge`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from siddes_telemetry.backends.clickhouse.confirmed_reads import ConfirmedReads
from siddes_telemetry.backends.clickhouse.engine import Engine, Row, Settings
from siddes_telemetry.backends.clickhouse.errors import purge_without_effect
from siddes_telemetry.backends.clickhouse.settings import ALTER_PINS, INSERT_PINS, READ_PINS, time_limit
from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.backends.clickhouse.stored_events import read_stored_events
from siddes_telemetry.backends.clickhouse.table_kind import CountsTable
from siddes_telemetry.backends.ports.administration import LogIsUnused, PurgeTotals, no_log_is_known
from siddes_telemetry.backends.ports.errors import EventsConflict, StoreConflict, StoreUnavailable
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.event_column import stored_events
from siddes_telemetry.schemas.registry_changes import KnownEvents, compare, known_events
from siddes_telemetry.schemas.table import COUNTS_TABLE, LOGS_TABLE, MIGRATIONS_TABLE, PURGES_AHEAD_TABLE, PURGES_TABLE

QUERY_DEADLINE_S = 60.0  # a query about tables, or a bookkeeping row
CHANGE_DEADLINE_S = 3000.0  # an ALTER may rewrite every part

_DATABASE = "SELECT 1 FROM system.databases WHERE name = {database:String}"

_TABLES = "SELECT name, create_table_query FROM system.tables WHERE database = {database:String}"

_HAS_ROWS = "SELECT count() > 0 FROM {database:Identifier}.telemetry_counts"

_APPLIED = "SELECT DISTINCT number FROM {database:Identifier}.telemetry_migrations"

_LAST_LOG = """
SELECT generation, log_id FROM {database:Identifier}.telemetry_logs
WHERE log_name IN (SELECT value FROM bound) ORDER BY generation DESC LIMIT 1
"""

_ORPHANS = """
SELECT log_id FROM {database:Identifier}.telemetry_counts
WHERE log_id NOT IN (SELECT log_id FROM {database:Identifier}.telemetry_logs)
GROUP BY log_id ORDER BY max(created_at) DESC
"""

_EXPIRED = """
SELECT
    count(), sum(count), minOrNull(toUnixTimestamp64Milli(created_at)), maxOrNull(toUnixTimestamp64Milli(created_at)),
    countIf(created_at >= fromUnixTimestamp64Milli({ahead_ms:Int64}, 'UTC'))
FROM {database:Identifier}.telemetry_counts
WHERE created_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
    OR created_at >= fromUnixTimestamp64Milli({ahead_ms:Int64}, 'UTC')
"""

_AHEAD = """
SELECT log_id, log_partition, max(log_offset) FROM {database:Identifier}.telemetry_counts
WHERE created_at >= fromUnixTimestamp64Milli({ahead_ms:Int64}, 'UTC')
GROUP BY log_id, log_partition ORDER BY log_id, log_partition
"""


class ClickHouseAdmin:
    """The tables of one database. `random_log_id` returns 32 random bits."""

    def __init__(self, engine: Engine, schema: ddl.StoreSchema, *, random_log_id: Callable[[], int]) -> None:
        self._engine = engine
        self._schema = schema
        self._random_log_id = random_log_id
        self._confirmed = ConfirmedReads(engine, schema)

    async def pending(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:
        migrations, alterations = await self._plan(log_is_unused)
        return [statement for migration in migrations for statement in migration.statements] + alterations

    async def migrate(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:
        migrations, alterations = await self._plan(log_is_unused)
        for migration in migrations:
            for statement in migration.statements:
                await self._change(statement)
            if migration.number:
                row = {"number": migration.number, "name": migration.name}
                await self._insert(MIGRATIONS_TABLE, row, token=f"migration:{migration.number}")
        for statement in alterations:
            await self._change(statement)
        return [statement for migration in migrations for statement in migration.statements] + alterations

    async def adopt_log(self, log_name: str, *, new: bool = False, log_id: int | None = None) -> int:
        last = await self._last_log(log_name)
        if last is not None and not new:
            return last[1]
        generation = 1 if last is None else last[0] + 1
        if log_id is None:
            log_id = None if new else await self._orphan()
        row = {
            "log_name": log_name,
            "generation": generation,
            "log_id": self._random_log_id() if log_id is None else log_id,
        }
        await self._insert(LOGS_TABLE, row, token=f"log:{log_name}:{generation}")
        last = await self._last_log(log_name)  # if several processes adopted at once, one row was kept
        if last is None:
            raise StoreUnavailable("the identity was written and cannot be read yet")
        return last[1]

    async def _orphan(self) -> int | None:
        """The one log of which there are rows and no name, or None: the table of names was lost. Raises StoreConflict.

        Under another id `verify` would miss its rows.
        """
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(COUNTS_TABLE, LOGS_TABLE)
            orphans = [row[0] for row in await self._query(_ORPHANS, consistent=consistent)]
        if len(orphans) > 1:
            listed = ", ".join(map(str, orphans))
            raise StoreConflict(
                f"the tables have rows of logs whose names are lost, the latest first: {listed}. Run `siddes-telemetry "
                "migrate --log-id` with the one of this topic: probably the first"
            )
        return orphans[0] if orphans else None

    async def purgeable(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        rows = await self._query(_EXPIRED, before_ms=before_ms, ahead_ms=ahead_ms)
        return PurgeTotals(*rows[0])

    async def purge(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        gone = await self.purgeable(before_ms, ahead_ms)
        old = _old_rows(gone) > 0
        ahead = [(log, partition, offset) for log, partition, offset in await self._query(_AHEAD, ahead_ms=ahead_ms)]
        if old:
            await self._insert(PURGES_TABLE, {"before_ms": before_ms}, token=f"purge:{before_ms}")
        if ahead:
            rows = [
                {"log_id": log_id, "log_partition": partition, "up_to_offset": offset, "ahead_ms": ahead_ms}
                for log_id, partition, offset in ahead
            ]
            digest = hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()
            await self._insert(PURGES_AHEAD_TABLE, *rows, token=f"purge-ahead:{digest}")
        if old or ahead:
            limit_ms = before_ms if old else None
            schema = replace(self._schema, cluster=(await self._confirmed.counts_table()).cluster)
            await self._change(ddl.delete_purged(schema, before_ms=limit_ms, ahead_ms=ahead_ms, ahead=ahead))
        if old and _old_rows(await self.purgeable(before_ms, ahead_ms)) >= _old_rows(gone):
            raise purge_without_effect()
        return gone

    async def stored_events(self) -> KnownEvents | None:
        """The registry that the tables were made for, or None before `migrate`. Raises StoreUnavailable."""
        return await read_stored_events(self._engine, self._schema.database)

    async def never_counted(self, log_is_unused: LogIsUnused) -> bool:
        """Whether `migrate` would make the tables of counts anew for another registry. Raises StoreUnavailable.

        Not with a cluster: DROP TABLE IF EMPTY looks at the rows of one server.
        """
        if self._schema.cluster is not None or (await self._query(_HAS_ROWS))[0][0]:
            return False
        return await log_is_unused()

    async def _plan(self, log_is_unused: LogIsUnused) -> tuple[list[ddl.Migration], list[str]]:
        """The migrations that have not run, and the ALTERs that today's settings and registry need."""
        schema = self._schema
        migrations = list(shipped_migrations(schema))
        tables = {row[0]: row[1] for row in await self._query(_TABLES)}
        if COUNTS_TABLE in tables:
            self._check_cluster(await self._confirmed.counts_table())
        drops = await self._drops_of_unused(tables, log_is_unused)
        if MIGRATIONS_TABLE in tables:
            applied = {row[0] for row in await self._query(_APPLIED)}
            lost = ddl.of_lost_tables([each for each in migrations if each.number in applied], tables)
            migrations = [*lost, *(migration for migration in migrations if migration.number not in applied)]
        elif not await self._query(_DATABASE):
            migrations.insert(0, ddl.Migration(0, "database", (ddl.create_database(schema),)))
        if drops:
            migrations.insert(0, ddl.Migration(0, "tables_of_other_events", drops))
        return migrations, self._alterations(tables)

    async def _drops_of_unused(self, tables: dict[str, str], log_is_unused: LogIsUnused) -> tuple[str, ...]:
        """What drops the table of counts where the registry needs another and nothing was ever counted.

        Removes it from `tables`, so that it is made anew: an Enum of the sorting key only grows by an ALTER.
        Raises EventsConflict.
        """
        counts = self._counts_tables(tables).values()
        refused = [*dict.fromkeys(text for made in counts for text in self._refused_changes(made))]
        if not refused:
            return ()
        if not await self.never_counted(log_is_unused):
            raise EventsConflict("; ".join(refused))
        del tables[COUNTS_TABLE]
        return (ddl.drop_table(self._schema, COUNTS_TABLE),)

    def _counts_tables(self, tables: Mapping[str, str]) -> Mapping[str, str]:
        """Of these tables, those of counts: others may be an operator's copies."""
        names = dict.fromkeys((self._schema.stored_counts, COUNTS_TABLE))
        return {name: tables[name] for name in names if name in tables}

    def _refused_changes(self, create_query: str) -> Sequence[str]:
        stored = stored_events(create_query)
        return () if stored is None else compare(stored, self._schema.registry).refused

    def _check_cluster(self, found: CountsTable) -> None:
        if found.cluster is not None and self._schema.cluster is None:
            raise StoreConflict("the tables are those of a cluster: set SIDDES_TELEMETRY_CLUSTER to its name")
        if found.cluster is None and self._schema.cluster is not None:
            raise StoreConflict(
                "SIDDES_TELEMETRY_CLUSTER is set, but the tables are not those of a cluster: unset it, or name another "
                "database"
            )

    def _alterations(self, tables: Mapping[str, str]) -> list[str]:
        schema = self._schema
        alterations: list[str] = []
        for table, query in self._counts_tables(tables).items():
            stored = stored_events(query)
            if stored is not None and stored != known_events(schema.registry):
                alterations.append(ddl.modify_events(schema, table))
        if (made := tables.get(schema.stored_counts)) is not None:
            if ddl.stored_retention_days(made) != schema.retention_days:
                alterations.append(ddl.modify_retention(schema))
            if ddl.stored_deduplication_window(made) < ddl.deduplication_window(schema.partitions):
                alterations.append(ddl.modify_deduplication_window(schema))
        return alterations

    async def _last_log(self, log_name: str) -> tuple[int, int] | None:
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(LOGS_TABLE)
            rows = await self._query(_LAST_LOG, bound=log_name, consistent=consistent)
        return (rows[0][0], rows[0][1]) if rows else None

    async def _query(
        self, sql: str, *, bound: str = "", consistent: Settings = MappingProxyType({}), **parameters: int
    ) -> Sequence[Row]:
        return await self._engine.read(
            sql,
            {"database": self._schema.database, **parameters},
            bound=bound,
            settings={**READ_PINS, **consistent, **time_limit(QUERY_DEADLINE_S)},
            deadline_s=QUERY_DEADLINE_S,
        )

    async def _change(self, statement: str) -> None:
        await self._engine.run(
            statement, settings={**ALTER_PINS, **time_limit(CHANGE_DEADLINE_S)}, deadline_s=CHANGE_DEADLINE_S
        )

    async def _insert(self, table: str, *rows: Mapping[str, object], token: str) -> None:
        settings = {**INSERT_PINS, **time_limit(QUERY_DEADLINE_S), "insert_deduplication_token": token}
        block = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        await self._engine.insert(self._schema.table(table), block, settings=settings, deadline_s=QUERY_DEADLINE_S)


def _old_rows(totals: PurgeTotals) -> int:
    return totals.rows - totals.ahead_rows
