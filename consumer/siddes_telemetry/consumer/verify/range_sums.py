"""The store's sums over many short ranges of offsets, so that one query serves many chunks. Pure.

The store orders the rows of a day by viewer, so every query for a range of offsets reads the whole day. One query
therefore asks for the sums of many ranges, and chunks end where a range ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from siddes_telemetry.backends.ports.store import RowSelection, RowSums
from siddes_telemetry.consumer.verify.chunk import Chunk, ChunkPolicy


@dataclass(frozen=True, slots=True)
class RangeSums:
    """The sums of a selection by ranges of `width` offsets, numbered from its start. Ranges without rows are absent."""

    selection: RowSelection
    width: int
    sums: Mapping[int, RowSums]

    def boundary_before(self, offset: int) -> int:
        """Returns the last boundary between ranges that is not beyond `offset`, which is not below the start."""
        start, end = self.selection.start, self.selection.end
        return end if offset >= end else start + (offset - start) // self.width * self.width

    def covers(self, start: int, end: int) -> bool:
        """Returns whether [start, end) consists of whole ranges."""
        if not self.selection.start <= start <= end <= self.selection.end:
            return False
        return self.boundary_before(start) == start and self.boundary_before(end) == end

    def between(self, start: int, end: int) -> RowSums:
        """Returns the sums of [start, end), which must be covered."""
        first, last = ((offset - self.selection.start + self.width - 1) // self.width for offset in (start, end))
        return sum((self.sums[number] for number in range(first, last) if number in self.sums), RowSums())


def next_ranges(rest: RowSelection, chunk: Chunk, policy: ChunkPolicy) -> tuple[RowSelection, int]:
    """Returns (the part of `rest` to query, the width of its ranges).

    The width assumes that `rest` has as many rows per offset as `chunk`, which precedes it.
    """
    rows = max(1, chunk.expected.sums.rows, chunk.expected.records)
    width = max(1, (chunk.end - chunk.start) * policy.rows // (policy.ranges_a_chunk * rows))
    return replace(rest, end=min(rest.end, rest.start + width * policy.ranges)), width
