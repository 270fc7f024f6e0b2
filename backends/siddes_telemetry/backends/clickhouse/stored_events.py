"""Reads for which registry the tables of a database were made."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.engine import Engine
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, time_limit
from siddes_telemetry.schemas.event_column import stored_events
from siddes_telemetry.schemas.registry_changes import KnownEvents
from siddes_telemetry.schemas.table import COUNTS_TABLE

DEADLINE_S = 10.0  # a question about one table, which a busy server may answer late

_MADE = "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = {counts:String}"


async def read_stored_events(engine: Engine, database: str) -> KnownEvents | None:
    """What the table of counts tells of its registry, or None before `migrate`. Raises StoreUnavailable."""
    rows = await engine.read(
        _MADE,
        {"database": database, "counts": COUNTS_TABLE},
        settings={**READ_PINS, **time_limit(DEADLINE_S)},
        deadline_s=DEADLINE_S,
    )
    return stored_events(rows[0][0]) if rows else None
