"""What `migrate` and `purge` ask of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# What lies further ahead of now than this has its time from a clock that was wrong: six times what a gateway's may be
# off (rows.MAX_CLOCK_SKEW_MS), so that the clock by which it is judged may be off by some minutes too.
FAR_AHEAD_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Expired:
    """What a purge would remove, or removed. `ahead_rows`: how many of the rows lie ahead."""

    rows: int
    counts: int
    oldest_ms: int | None
    newest_ms: int | None
    ahead_rows: int


class StoreAdmin(Protocol):
    """What `migrate` and `purge` ask of a store. All idempotent, and safe to run from many processes at once."""

    async def pending(self) -> Sequence[str]:
        """The statements that `migrate` would run now, in order. Raises StoreUnavailable or StoreConflict."""

    async def migrate(self) -> Sequence[str]:
        """Run them; returns them. Raises StoreUnavailable, StoreRefused or StoreConflict."""

    async def adopt_log(self, log_name: str, *, new: bool = False, log_id: int | None = None) -> int:
        """The identity of the log of this name, made now if it has none or `new`. Raises StoreUnavailable.

        `log_id` gives the identity instead of a random one (the embedded log carries its own).
        """

    async def expired(self, before_ms: int, ahead_ms: int) -> Expired:
        """What `purge` with the same arguments would remove. Raises StoreUnavailable."""

    async def purge(self, before_ms: int, ahead_ms: int) -> Expired:
        """Remove the rows created before the one or not before the other, and return when they are gone from reads.

        That it did is written down first, for `purged`. What is stored meanwhile and lies ahead may stay: nothing goes
        that is not written down. Raises StoreUnavailable, or StoreMissing where `migrate` has not made room for that.
        """
