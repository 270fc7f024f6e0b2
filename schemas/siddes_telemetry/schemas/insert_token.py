"""The deduplication token of an insert (ClickHouse's insert_deduplication_token). Pure."""

from __future__ import annotations

from siddes_telemetry.schemas.table import COUNTS_TABLE


def insert_token(log_id: int, partition: int, start: int, end: int, *, spent: int = 0) -> str:
    """The deduplication token of the block [start, end): the same range always has the same token.

    `spent`: how many tokens of this range the store is known to have without their rows.
    """
    return f"v1:{COUNTS_TABLE}:{log_id}:{partition}:{start}-{end}" + (f":{spent}" if spent else "")
