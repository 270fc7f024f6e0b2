"""Asks the store for the sums of one chunk after another, with few queries: it reads many ranges ahead."""

from __future__ import annotations

from collections.abc import Callable

from siddes_telemetry.backends.ports.store import RowSelection, RowSums, StoreAudit
from siddes_telemetry.consumer.verify.chunk import Chunk, ChunkPolicy
from siddes_telemetry.consumer.verify.range_sums import RangeSums, next_ranges


class StoredSums:
    """The stored sums of the offsets below `end`, for chunks in offset order.

    The first chunk is asked for by itself: its density says how wide the ranges that follow should be.
    """

    def __init__(
        self, audit: StoreAudit, select: Callable[[int, int], RowSelection], *, end: int, policy: ChunkPolicy
    ) -> None:
        self._audit = audit
        self._select = select
        self._end = end
        self._policy = policy
        self._ahead: RangeSums | None = None  # what was read ahead; None before the first chunk

    @property
    def has_boundaries(self) -> bool:
        return self._ahead is not None

    def boundary(self, start: int, end: int) -> int | None:
        """Returns the last offset of [start, end] at which a chunk can end without a query of its own, or None."""
        if self._ahead is None:
            return None
        boundary = self._ahead.boundary_before(end)
        return boundary if boundary >= start else None

    def is_used_up(self, boundary: int) -> bool:
        """Returns whether nothing was read ahead beyond this boundary."""
        return self._ahead is None or boundary >= self._ahead.selection.end

    async def of(self, chunk: Chunk) -> RowSums:
        """Raises StoreUnavailable."""
        if self._ahead is not None and self._ahead.covers(chunk.start, chunk.end):
            return self._ahead.between(chunk.start, chunk.end)
        return await self._audit.sums(self._select(chunk.start, chunk.end))

    async def read_ahead(self, chunk: Chunk) -> None:
        """Query what follows this chunk, unless that was read already. Raises StoreUnavailable."""
        if chunk.end >= self._end:
            return
        if self._ahead is not None and self._ahead.covers(chunk.start, chunk.end) and not self.is_used_up(chunk.end):
            return
        selection, width = next_ranges(self._select(chunk.end, self._end), chunk, self._policy)
        self._ahead = RangeSums(selection, width, await self._audit.sums_by_range(selection, width))
