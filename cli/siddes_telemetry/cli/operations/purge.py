"""The operation `purge`: removes old rows, and rows dated in the future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from siddes_telemetry.backends.ports.administration import FAR_AHEAD_MS, StoreAdmin
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.schemas.timestamps import DAY_MS

MAX_PURGE_DAYS = 36_500  # a century: no count is older


async def purge(
    store_admin: StoreAdmin, wall_clock_ms: Callable[[], int], *, days: int, dry_run: bool = False
) -> Result:
    """Remove the rows created more than `days` times 24 h ago, or far ahead of now. A dry run only counts them.

    Raises ValueError for a number of days out of range.
    """
    if type(days) is not int or not 0 <= days <= MAX_PURGE_DAYS:  # True is an int too
        raise ValueError("days")
    now_ms = wall_clock_ms()
    before_ms = now_ms - days * DAY_MS
    gone = await (store_admin.purgeable if dry_run else store_admin.purge)(before_ms, now_ms + FAR_AHEAD_MS)
    return {"before_ms": before_ms, **asdict(gone)}
