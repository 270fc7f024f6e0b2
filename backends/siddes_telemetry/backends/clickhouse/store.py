"""BlockStore and CountReader over any Engine: inserts blocks, and queries stored days, purges and summaries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from siddes_telemetry.backends.clickhouse.confirmed_reads import ConfirmedReads
from siddes_telemetry.backends.clickhouse.engine import Engine, Parameters, Row, Settings
from siddes_telemetry.backends.clickhouse.query_limiter import QueryLimiter
from siddes_telemetry.backends.clickhouse.settings import INSERT_PINS, READ_PINS, SUMMARY_PINS, time_limit
from siddes_telemetry.backends.clickhouse.stored_events import read_stored_events
from siddes_telemetry.backends.clickhouse.table_kind import StoreKind
from siddes_telemetry.backends.ports.store import PurgedAhead, PurgeHistory, SetAside, StoredDay
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.registry_changes import KnownEvents
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    LOGS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    SET_ASIDES_TABLE,
)

PING_DEADLINE_S = 3.0  # short enough for a health check
STORED_DAYS_DEADLINE_S = 60.0  # reads three columns of every row, once for each takeover of a partition

_COUNTS = """
SELECT event, sum(count) FROM {database:Identifier}.telemetry_counts
WHERE viewer_id IN (SELECT value FROM bound) AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY event
"""

_COUNTS_BY_STEP = """
SELECT intDiv(toUnixTimestamp64Milli(created_at), {step_ms:Int64}) * {step_ms:Int64} AS step, event, sum(count)
FROM {database:Identifier}.telemetry_counts
WHERE viewer_id IN (SELECT value FROM bound) AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY step, event
"""

# One query for all windows costs what one sum does; a query for each window reads rows twice, at two moments.
_COUNTS_BY_WINDOW = """
SELECT roundDown(toUnixTimestamp64Milli(created_at), {starts_ms:Array(Int64)}) AS start, event, sum(count)
FROM {database:Identifier}.telemetry_counts
WHERE viewer_id IN (SELECT value FROM bound) AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY start, event
"""

_STORED_DAYS = """
SELECT toDate(created_at) AS day, count(), max(log_offset) FROM {database:Identifier}.telemetry_counts
WHERE log_id = {log_id:UInt32} AND log_partition = {partition:UInt16} AND log_offset >= {from_offset:UInt64}
GROUP BY day ORDER BY day
"""

_LOG_ID = """
SELECT log_id FROM {database:Identifier}.telemetry_logs
WHERE log_name IN (SELECT value FROM bound) ORDER BY generation DESC LIMIT 1
"""

_PURGE_HISTORY = """
SELECT (SELECT max(before_ms) FROM {database:Identifier}.telemetry_purges), (
    SELECT arraySort(groupUniqArray((log_partition, up_to_offset, ahead_ms)))
    FROM {database:Identifier}.telemetry_purges_ahead WHERE log_id = {log_id:UInt32}
)
"""

_SET_ASIDES = """
SELECT DISTINCT log_offset, until_offset FROM {database:Identifier}.telemetry_set_asides
WHERE log_id = {log_id:UInt32} AND log_partition = {partition:UInt16}
"""

_NOBODY = ""  # no viewer id is empty
_NEVER_MS = 1 << 43  # after every row, so that the query reads no day of the table
_NO_OFFSET = 2**64 - 1  # no log has this offset


class ClickHouseStore:
    """The counts of one database."""

    def __init__(self, engine: Engine, schema: StoreSchema) -> None:
        self._engine = engine
        self._limiter = QueryLimiter(engine.summaries_at_once)
        self._database = schema.database
        self._table = schema.table(COUNTS_TABLE)
        self._set_asides = schema.table(SET_ASIDES_TABLE)
        self._confirmed = ConfirmedReads(engine, schema)

    async def tokens_may_lack_rows(self) -> bool:
        return (await self._confirmed.counts_table()).kind is StoreKind.LONE

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        settings = {**INSERT_PINS, **time_limit(deadline_s), "insert_deduplication_token": token}
        await self._engine.insert(self._table, block, settings=settings, deadline_s=deadline_s)

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(COUNTS_TABLE)
            rows = await self._engine.read(
                _STORED_DAYS,
                {"database": self._database, "log_id": log_id, "partition": partition, "from_offset": from_offset},
                settings={**READ_PINS, **consistent, **time_limit(STORED_DAYS_DEADLINE_S)},
                deadline_s=STORED_DAYS_DEADLINE_S,
            )
        return [StoredDay(date.fromisoformat(day), count, last_offset) for day, count, last_offset in rows]

    async def purge_history(self, log_id: int) -> PurgeHistory:
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(PURGES_TABLE, PURGES_AHEAD_TABLE)
            return await read_purge_history(self._engine, self._database, log_id, consistent)

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(SET_ASIDES_TABLE)
            return await read_set_asides(self._engine, self._database, log_id, partition, consistent)

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        until = decision.end or 0
        row = {"log_id": log_id, "log_partition": partition, "log_offset": decision.start, "until_offset": until}
        # A duplicate row does no harm, but a single server may remember the token of a block that a crash has lost.
        settings = {
            **INSERT_PINS,
            **time_limit(PING_DEADLINE_S),
            "insert_deduplicate": 0,
            "deduplicate_insert": "disable",
        }
        block = json.dumps(row).encode() + b"\n"
        await self._engine.insert(self._set_asides, block, settings=settings, deadline_s=PING_DEADLINE_S)

    async def log_id(self, log_name: str, *, synchronized: bool = True) -> int | None:
        with self._engine.one_server():
            consistent = await self._confirmed.settings_for(LOGS_TABLE) if synchronized else {}
            rows = await self._engine.read(
                _LOG_ID,
                {"database": self._database},
                bound=log_name,
                settings={**READ_PINS, **consistent, **time_limit(PING_DEADLINE_S)},
                deadline_s=PING_DEADLINE_S,
            )
        return int(rows[0][0]) if rows else None

    async def stored_events(self) -> KnownEvents | None:
        return await read_stored_events(self._engine, self._database)

    async def counts(self, viewer_id: str, *, since_ms: int, deadline_s: float) -> Mapping[str, int]:
        rows = await self._read_counts(_COUNTS, viewer_id, {"since_ms": since_ms}, deadline_s)
        return {event: int(total) for event, total in rows}

    async def counts_by_step(
        self, viewer_id: str, *, since_ms: int, step_ms: int, deadline_s: float
    ) -> Mapping[int, Mapping[str, int]]:
        window = {"since_ms": since_ms, "step_ms": step_ms}
        rows = await self._read_counts(_COUNTS_BY_STEP, viewer_id, window, deadline_s)
        steps: dict[int, dict[str, int]] = {}
        for start, event, total in rows:
            steps.setdefault(int(start), {})[event] = int(total)
        return steps

    async def counts_by_window(
        self, viewer_id: str, *, starts_ms: Sequence[int], deadline_s: float
    ) -> Sequence[Mapping[str, int]]:
        windows: Parameters = {"since_ms": starts_ms[0], "starts_ms": json.dumps(list(starts_ms))}
        rows = await self._read_counts(_COUNTS_BY_WINDOW, viewer_id, windows, deadline_s)
        sums: dict[int, dict[str, int]] = {start: {} for start in starts_ms}
        for start, event, total in rows:
            sums[int(start)][event] = int(total)
        return list(sums.values())

    async def ping_summary(self) -> None:
        await self._engine.read(
            _COUNTS,
            {"database": self._database, "since_ms": _NEVER_MS},
            bound=_NOBODY,
            settings={**SUMMARY_PINS, **time_limit(PING_DEADLINE_S)},
            deadline_s=PING_DEADLINE_S,
        )

    async def ping_insert(self) -> None:
        await self._confirmed.watch()
        await self._engine.read(
            _STORED_DAYS,
            {"database": self._database, "log_id": 0, "partition": 0, "from_offset": _NO_OFFSET},
            settings={**READ_PINS, **time_limit(PING_DEADLINE_S)},
            deadline_s=PING_DEADLINE_S,
        )
        settings = {**INSERT_PINS, **time_limit(PING_DEADLINE_S), "throw_if_no_data_to_insert": 0}
        await self._engine.insert(self._table, b"", settings=settings, deadline_s=PING_DEADLINE_S)

    async def _read_counts(self, sql: str, viewer_id: str, window: Parameters, deadline_s: float) -> Sequence[Row]:
        async with self._limiter.slot(deadline_s) as left_s:
            return await self._engine.read(
                sql,
                {"database": self._database, **window},
                bound=viewer_id,
                settings={**SUMMARY_PINS, **time_limit(left_s)},
                deadline_s=left_s,
            )


async def read_purge_history(engine: Engine, database: str, log_id: int, consistent: Settings) -> PurgeHistory:
    """The purges that may have removed rows of a log. `consistent`: see ConfirmedReads.settings_for."""
    rows = await engine.read(
        _PURGE_HISTORY,
        {"database": database, "log_id": log_id},
        settings={**READ_PINS, **consistent, **time_limit(PING_DEADLINE_S)},
        deadline_s=PING_DEADLINE_S,
    )
    ((before_ms, ahead),) = rows
    return PurgeHistory(int(before_ms), tuple(PurgedAhead(*each) for each in ahead))


async def read_set_asides(
    engine: Engine, database: str, log_id: int, partition: int, consistent: Settings
) -> Sequence[SetAside]:
    """The set-aside requests and decisions of a partition. Raises StoreUnavailable or StoreMissing."""
    rows = await engine.read(
        _SET_ASIDES,
        {"database": database, "log_id": log_id, "partition": partition},
        settings={**READ_PINS, **consistent, **time_limit(PING_DEADLINE_S)},
        deadline_s=PING_DEADLINE_S,
    )
    return [SetAside(start, until or None) for start, until in rows]
