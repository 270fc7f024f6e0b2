"""StoreAudit over any Engine: the queries of `verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from siddes_telemetry.backends.clickhouse.confirmed_reads import ConfirmedReads
from siddes_telemetry.backends.clickhouse.engine import Engine, Row
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, time_limit
from siddes_telemetry.backends.clickhouse.store import read_purge_history, read_set_asides
from siddes_telemetry.backends.ports.store import PurgeHistory, RowSelection, RowSums, SetAside, StoredPartition
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    ROW_AS_LINE,
    SET_ASIDES_TABLE,
)

DEADLINE_S = 600.0  # a query may read some columns of the whole table, while the store is busy

_SELECTION = """
FROM {database:Identifier}.telemetry_counts
WHERE log_id = {log_id:UInt32} AND log_partition = {partition:UInt16}
    AND log_offset >= {start:UInt64} AND log_offset < {end:UInt64}
    AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
"""
_CREATED_BEFORE = "    AND created_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')\n"
_UNLESS_PURGED = """\
    AND NOT (
        log_offset <= {up_to_#:UInt64} AND created_at >= fromUnixTimestamp64Milli({ahead_ms_#:Int64}, 'UTC')
    )
"""
_SUMS = f"count(), sum(count), sumWithOverflow(halfMD5({ROW_AS_LINE}))"
_RANGE = "intDiv(log_offset - {start:UInt64}, {width:UInt64})"

_EXTENTS = """
SELECT log_partition, count(), min(log_offset), max(log_offset) FROM {database:Identifier}.telemetry_counts
WHERE log_id = {log_id:UInt32} GROUP BY log_partition
"""

_LOGS = "SELECT DISTINCT log_id FROM {database:Identifier}.telemetry_counts ORDER BY log_id"


class ClickHouseAudit:
    """Reads the counts of one database."""

    def __init__(self, engine: Engine, schema: StoreSchema) -> None:
        self._engine = engine
        self._database = schema.database
        self._confirmed = ConfirmedReads(engine, schema)

    async def sync_replicas(self) -> None:
        await self._confirmed.synchronize_all(COUNTS_TABLE, PURGES_TABLE, PURGES_AHEAD_TABLE, SET_ASIDES_TABLE)

    async def stored_logs(self) -> Sequence[int]:
        return [log_id for (log_id,) in await self._read(_LOGS, {})]

    async def stored_partitions(self, log_id: int) -> Mapping[int, StoredPartition]:
        rows = await self._read(_EXTENTS, {"log_id": log_id})
        return {partition: StoredPartition(count, first, last) for partition, count, first, last in rows}

    async def purge_history(self, log_id: int) -> PurgeHistory:
        return await read_purge_history(self._engine, self._database, log_id, await self._confirmed.settings_for())

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        consistent = await self._confirmed.settings_for()
        return await read_set_asides(self._engine, self._database, log_id, partition, consistent)

    async def row_count(self, selection: RowSelection) -> int:
        ((rows,),) = await self._select(selection, "count()")
        return int(rows)

    async def sums(self, selection: RowSelection) -> RowSums:
        ((rows, counts, checksum),) = await self._select(selection, _SUMS)
        return RowSums(rows, counts, checksum)

    async def sums_by_range(self, selection: RowSelection, width: int) -> Mapping[int, RowSums]:
        found = await self._select(selection, f"{_RANGE} AS number, {_SUMS}", group_by="number", width=width)
        return {number: RowSums(rows, counts, checksum) for number, rows, counts, checksum in found}

    async def sums_by_day(self, selection: RowSelection) -> Mapping[date, RowSums]:
        found = await self._select(selection, f"toDate(created_at) AS day, {_SUMS}", group_by="day ORDER BY day")
        return {date.fromisoformat(day): RowSums(rows, counts, checksum) for day, rows, counts, checksum in found}

    async def lines(self, selection: RowSelection) -> Sequence[bytes]:
        return [str(line).encode() for (line,) in await self._select(selection, ROW_AS_LINE)]

    async def _select(self, selection: RowSelection, what: str, *, group_by: str = "", **more: int) -> Sequence[Row]:
        sql = f"SELECT {what} {_SELECTION}"
        if selection.before_ms is not None:
            sql += _CREATED_BEFORE
            more["before_ms"] = selection.before_ms
        for number, purged in enumerate(
            each for each in selection.purged_ahead if each.up_to_offset >= selection.start
        ):
            sql += _UNLESS_PURGED.replace("#", str(number))
            more |= {f"up_to_{number}": purged.up_to_offset, f"ahead_ms_{number}": purged.ahead_ms}
        return await self._read(
            sql + (f"GROUP BY {group_by}" if group_by else ""),
            {
                "log_id": selection.log_id,
                "partition": selection.partition,
                "start": selection.start,
                "end": selection.end,
                "since_ms": selection.since_ms,
                **more,
            },
        )

    async def _read(self, sql: str, parameters: Mapping[str, int]) -> Sequence[Row]:
        return await self._engine.read(
            sql,
            {"database": self._database, **parameters},
            settings={**READ_PINS, **await self._confirmed.settings_for(), **time_limit(DEADLINE_S)},
            deadline_s=DEADLINE_S,
        )
