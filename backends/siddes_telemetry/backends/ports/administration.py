"""StoreAdmin: the protocol behind `migrate` and `purge`. The errors are those of ports/errors.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from siddes_telemetry.schemas.timestamps import HOUR_MS

# A time further in the future than this came from a wrong clock. It is six times the skew that a gateway's clock may
# have (rows.MAX_CLOCK_SKEW_MS), because the judging clock may be some minutes off too.
FAR_AHEAD_MS = HOUR_MS


LogIsUnused = Callable[[], Awaitable[bool]]
"""Whether the log holds no record: none that names an event of another registry."""


async def no_log_is_known() -> bool:
    """The LogIsUnused of who cannot ask the log."""
    return False


@dataclass(frozen=True, slots=True)
class PurgeTotals:
    """What a purge removed, or would remove. `ahead_rows`: how many of the `rows` are dated in the future."""

    rows: int
    counts: int
    oldest_ms: int | None
    newest_ms: int | None
    ahead_rows: int


class StoreAdmin(Protocol):
    """Changes tables and removes rows. Every call is idempotent and safe to run from many processes at once."""

    async def pending(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:
        """The SQL statements that `migrate` would run now, in order. Raises StoreUnavailable or StoreConflict."""

    async def migrate(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:
        """Run and return the pending statements. Raises StoreUnavailable, StoreRefused or StoreConflict.

        A registry that contradicts the tables is an EventsConflict. If there are no rows and `log_is_unused` (which is
        asked then only), the tables of counts are made anew with the registry's events instead. Of several processes
        that do this at once, one may find no table for a moment, and raise StoreMissing: run it again.
        """

    async def adopt_log(self, log_name: str, *, new: bool = False, log_id: int | None = None) -> int:
        """The id of the log of this name. Makes one if there is none, or if `new`.

        `log_id` is used for a new id: the embedded log's file has its own. Without it, and without `new`, that of the
        rows that belong to no name: the names were lost. Otherwise a random one. Raises StoreUnavailable, or
        StoreConflict if there are rows of several logs without a name.
        """

    async def purgeable(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        """What `purge` would remove with the same arguments. Raises StoreUnavailable."""

    async def purge(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        """Remove rows created before `before_ms`, or at `ahead_ms` or later. Returns once no read finds them.

        Records the purge before it removes rows (`purge_history`). Rows dated in the future that arrive meanwhile
        are not in that record, and stay. Raises StoreUnavailable, or StoreMissing before `migrate`.
        """
