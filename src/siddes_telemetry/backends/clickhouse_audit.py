"""What `verify` asks of ClickHouse: StoreAudit over any Engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from siddes_telemetry.backends.clickhouse_engine import Engine, Row
from siddes_telemetry.backends.clickhouse_settings import ALTER_PINS, READ_PINS, within
from siddes_telemetry.backends.clickhouse_store import PURGED, read_set_asides
from siddes_telemetry.backends.ports import Extent, SetAside, Stretch, Sums
from siddes_telemetry.schemas.ddl import StoreSchema, synchronise_replicas
from siddes_telemetry.schemas.table import ROW_AS_LINE

DEADLINE_S = 600.0  # a question may read some columns of the whole table, beside everything else the store does

_STRETCH = """
FROM {database:Identifier}.telemetry_counts
WHERE log_id = {log_id:UInt32} AND log_partition = {partition:UInt16}
    AND log_offset >= {start:UInt64} AND log_offset < {end:UInt64}
    AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
"""
_ROWS = f"SELECT count() {_STRETCH}"
_SUMS_OF_ROWS = f"count(), sum(count), sumWithOverflow(halfMD5({ROW_AS_LINE}))"
_SUMS = f"SELECT {_SUMS_OF_ROWS} {_STRETCH}"
_SUMS_BY_RANGE = f"""
SELECT intDiv(log_offset - {{start:UInt64}}, {{width:UInt64}}) AS number, {_SUMS_OF_ROWS} {_STRETCH} GROUP BY number
"""
_LINES = f"SELECT {ROW_AS_LINE} {_STRETCH}"

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

    async def purged_before_ms(self) -> int:
        ((before_ms,),) = await self._read(PURGED, {})
        return int(before_ms)

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        return await read_set_asides(self._engine, self._schema.database, log_id, partition)

    async def row_count(self, stretch: Stretch) -> int:
        ((rows,),) = await self._of(stretch, _ROWS)
        return int(rows)

    async def sums(self, stretch: Stretch) -> Sums:
        ((rows, counts, checksum),) = await self._of(stretch, _SUMS)
        return Sums(rows, counts, checksum)

    async def sums_by_range(self, stretch: Stretch, width: int) -> Mapping[int, Sums]:
        found = await self._of(stretch, _SUMS_BY_RANGE, width=width)
        return {number: Sums(rows, counts, checksum) for number, rows, counts, checksum in found}

    async def lines(self, stretch: Stretch) -> Sequence[bytes]:
        return [str(line).encode() for (line,) in await self._of(stretch, _LINES)]

    async def _of(self, stretch: Stretch, sql: str, **more: int) -> Sequence[Row]:
        return await self._read(
            sql,
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
