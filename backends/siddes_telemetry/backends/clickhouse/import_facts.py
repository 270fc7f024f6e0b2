"""ImportFacts over any Engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from siddes_telemetry.backends.clickhouse.confirmed_reads import ConfirmedReads
from siddes_telemetry.backends.clickhouse.engine import Engine, Row
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, time_limit
from siddes_telemetry.backends.ports.store import PurgedAhead, PurgeHistory
from siddes_telemetry.schemas.ddl import StoreSchema, stored_retention_days
from siddes_telemetry.schemas.event_column import event_type_ids
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    LOGS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    STORED_COUNTS_TABLE,
)

DEADLINE_S = 600.0  # one column of the whole table, while the store is busy

_EVENT_TYPE = "SELECT toTypeName(any(event)) FROM {database:Identifier}.telemetry_counts"  # also of an empty table

_USED_EVENTS = """
SELECT DISTINCT toString(event), toInt8(event) FROM {database:Identifier}.telemetry_counts
"""

_LOG_NAMES = """
SELECT DISTINCT log_name FROM {database:Identifier}.telemetry_logs WHERE log_id = {log_id:UInt32} ORDER BY log_name
"""

_ADOPTED_AT = """
SELECT minOrNull(toUnixTimestamp64Milli(adopted_at)) FROM {database:Identifier}.telemetry_logs
WHERE log_name IN (SELECT value FROM bound)
"""

_PURGED_SINCE = """
SELECT (
    SELECT max(before_ms) FROM {database:Identifier}.telemetry_purges
    WHERE purged_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
), (
    SELECT arraySort(groupUniqArray((log_partition, up_to_offset, ahead_ms)))
    FROM {database:Identifier}.telemetry_purges_ahead
    WHERE log_id = {log_id:UInt32} AND purged_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
)
"""

_TABLES = """
SELECT create_table_query FROM system.tables
WHERE database = {database:String} AND name IN ({counts:String}, {stored:String})
"""


class ClickHouseImportFacts:
    """Reads the tables of one database."""

    def __init__(self, engine: Engine, schema: StoreSchema) -> None:
        self._engine = engine
        self._database = schema.database
        self._confirmed = ConfirmedReads(engine, schema)

    async def event_ids(self) -> Mapping[str, int]:
        ((event_type,),) = await self._read(_EVENT_TYPE)
        return event_type_ids(event_type)

    async def used_events(self) -> Mapping[str, int]:
        return {name: int(identifier) for name, identifier in await self._read(_USED_EVENTS, of=(COUNTS_TABLE,))}

    async def log_names(self, log_id: int) -> Sequence[str]:
        return [name for (name,) in await self._read(_LOG_NAMES, of=(LOGS_TABLE,), log_id=log_id)]

    async def adopted_at_ms(self, log_name: str) -> int | None:
        ((adopted_at_ms,),) = await self._read(_ADOPTED_AT, of=(LOGS_TABLE,), bound=log_name)
        return None if adopted_at_ms is None else int(adopted_at_ms)

    async def purged_since(self, log_id: int, since_ms: int) -> PurgeHistory:
        of = (PURGES_TABLE, PURGES_AHEAD_TABLE)
        ((before_ms, ahead),) = await self._read(_PURGED_SINCE, of=of, log_id=log_id, since_ms=since_ms)
        return PurgeHistory(int(before_ms), tuple(PurgedAhead(*each) for each in ahead))

    async def kept_days(self) -> int | None:
        tables = {"database": self._database, "counts": COUNTS_TABLE, "stored": STORED_COUNTS_TABLE}
        rows = await self._engine.read(
            _TABLES, tables, settings={**READ_PINS, **time_limit(DEADLINE_S)}, deadline_s=DEADLINE_S
        )
        return next((days for (made,) in rows if (days := stored_retention_days(made)) is not None), None)

    async def _read(self, sql: str, *, of: Sequence[str] = (), bound: str = "", **parameters: int) -> Sequence[Row]:
        """Read what was confirmed of these tables."""
        with self._engine.one_server():
            return await self._engine.read(
                sql,
                {"database": self._database, **parameters},
                bound=bound,
                settings={**READ_PINS, **await self._confirmed.settings_for(*of), **time_limit(DEADLINE_S)},
                deadline_s=DEADLINE_S,
            )
