"""The trimming of the SQLite log: records go once they have been stored for a day."""

from __future__ import annotations

import asyncio

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.trimming import SqliteTrimMetrics
from siddes_telemetry.cli.wall_clock import wall_clock_ms

TRIM_EVERY_S = 600.0  # no less: a client may retry a batch for ten minutes

log = structlog.get_logger(__name__)


async def trim_periodically(sqlite_log: SqliteLog, metrics: SqliteTrimMetrics) -> None:
    """Trim the log every TRIM_EVERY_S until cancelled.

    Each trim is limited to records that were in the log at the one before, and the first happens TRIM_EVERY_S after
    the start, both by the monotonic clock. The wall clock may have been wrong when a record was appended, or may be
    wrong until it is set after a start, and a restart needs the keys of the last ten minutes.
    """
    while True:
        end = sqlite_log.end
        await asyncio.sleep(TRIM_EVERY_S)
        try:
            trimmed = await sqlite_log.trim(wall_clock_ms(), below=end)
        except LogUnavailable:
            metrics.failures.inc()
            log.warning("trim_failed")
        else:
            metrics.records.inc(trimmed.records)
            metrics.dead_letters.inc(trimmed.dead_letters)
            if trimmed.dead_letters:
                log.warning("dead_letters_trimmed", letters=trimmed.dead_letters)
