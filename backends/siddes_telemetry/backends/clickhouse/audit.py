"""What `verify` asks of ClickHouse: StoreAudit over any Engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from siddes_telemetry.backends.clickhouse.engine import Engine, Row
from siddes_telemetry.backends.clickhouse.settings import ALTER_PINS, READ_PINS, within
from siddes_telemetry.backends.clickhouse.store import PURGED, as_purged, read_set_asides
from siddes_telemetry.backends.ports.store import Extent, Purged, SetAside, Stretch, Sums
from siddes_telemetry.schemas.ddl import StoreSchema, synchronise_replicas
from siddes_telemetry.schemas.table import ROW_AS_LINE

DEADLINE_S = 600.0  # a question may read some columns of the whole table, beside everything else the store does

_STRETCH = """
FROM {database:Identifier}.telemetry_counts
WHERE log_id = {log_id:UInt32} AND log_partition = {partition:UInt16}
    AND log_offset >= {start:UInt64} AND log_offset < {end:UInt64}
    AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
"""
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


class ClickHouseAudit:
    """The counts of one database, looked at."""

    def __init__(self, engine: Engine, schema: StoreSchema) -> None:
        self._engine = engine
        self._schema = schema

    async def catch_up(self) -> None:
        if self._schema.cluster is not None:
            for statement in synchronise_replicas(self._schema):
                await self._engine.run(statement, settings={**ALTER_PINS, **within(DEADLINE_S)}, deadline_s=DEADLINE_S)

    async def extents(self, log_id: int) -> Mapping[int, Extent]:
        rows = await self._read(_EXTENTS, {"log_id": log_id})
        return {partition: Extent(count, first, last) for partition, count, first, last in rows}

    async def purged(self, log_id: int) -> Purged:
        return as_purged(await self._read(PURGED, {"log_id": log_id}))

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        return await read_set_asides(self._engine, self._schema.database, log_id, partition)

    async def row_count(self, stretch: Stretch) -> int:
        ((rows,),) = await self._of(stretch, "count()")
        return int(rows)

    async def sums(self, stretch: Stretch) -> Sums:
        ((rows, counts, checksum),) = await self._of(stretch, _SUMS)
        return Sums(rows, counts, checksum)

    async def sums_by_range(self, stretch: Stretch, width: int) -> Mapping[int, Sums]:
        found = await self._of(stretch, f"{_RANGE} AS number, {_SUMS}", group_by="number", width=width)
        return {number: Sums(rows, counts, checksum) for number, rows, counts, checksum in found}

    async def lines(self, stretch: Stretch) -> Sequence[bytes]:
        return [str(line).encode() for (line,) in await self._of(stretch, ROW_AS_LINE)]

    async def _of(self, stretch: Stretch, what: str, *, group_by: str = "", **more: int) -> Sequence[Row]:
        sql = f"SELECT {what} {_STRETCH}"
        for number, purged in enumerate(each for each in stretch.purged_ahead if each.up_to_offset >= stretch.start):
            sql += _UNLESS_PURGED.replace("#", str(number))
            more |= {f"up_to_{number}": purged.up_to_offset, f"ahead_ms_{number}": purged.ahead_ms}
        return await self._read(
            sql + (f"GROUP BY {group_by}" if group_by else ""),
            {
                "log_id": stretch.log_id,
                "partition": stretch.partition,
                "start": stretch.start,
                "end": stretch.end,
                "since_ms": stretch.since_ms,
                **more,
            },
        )

    async def _read(self, sql: str, parameters: Mapping[str, int]) -> Sequence[Row]:
        return await self._engine.read(
            sql,
            {"database": self._schema.database, **parameters},
            settings={**READ_PINS, **within(DEADLINE_S)},
            deadline_s=DEADLINE_S,
        )
