"""The operation `verify`: compares the store with the log, and inserts missing rows on request."""

from __future__ import annotations

from collections.abc import Callable

from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.consumer.verify.repair import Repairer
from siddes_telemetry.consumer.verify.verifier import LogAndStore, verify

MAX_VERIFY_HOURS = 24 * 366


async def verify_store(
    log_and_store: LogAndStore,
    store: BlockStore,
    wall_clock_ms: Callable[[], int],
    *,
    hours: float | None = None,
    repair: int = 0,
    progress: Progress = lambda _done, _total: None,
) -> Result:
    """Verify what was appended in the last `hours`, or everything. Insert at most `repair` missing rows.

    Raises ValueError for a number of hours out of range.
    """
    if hours is not None and not 0 < hours <= MAX_VERIFY_HOURS:
        raise ValueError("hours")
    report = await verify(
        log_and_store,
        clock_ms=wall_clock_ms,
        hours=hours,
        repair=Repairer(store, log_and_store.audit, limit=repair) if repair else None,
        progress=progress,
    )
    return report.as_json()
