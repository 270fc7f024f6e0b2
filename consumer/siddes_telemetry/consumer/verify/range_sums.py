"""What the store has told of a partition, for many chunks at once. Pure.

The rows of one day lie by viewer: whoever asks for a range of offsets makes the store look at the whole day. So it is
asked for the sums of many short ranges in one question, and chunks end where one of those ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from siddes_telemetry.backends.ports.store import RowSelection, RowSums

RANGES = 50_000  # in one answer, which takes some 15 MB here; 50 million rows if all are alike
RANGES_A_CHUNK = 100  # so that a chunk is about as large as it should be


@dataclass(frozen=True, slots=True)
class RangeSums:
    """The sums of a stretch by ranges of `width` offsets, numbered from its start; ranges without rows are left out."""

    stretch: RowSelection
    width: int
    sums: Mapping[int, RowSums]

    def bound_before(self, offset: int) -> int:
        """The last end of a range that is not beyond `offset`, which lies at or after the stretch's start."""
        start, end = self.stretch.start, self.stretch.end
        return end if offset >= end else start + (offset - start) // self.width * self.width

    def between(self, start: int, end: int) -> RowSums | None:
        """What the rows of [start, end) come to; None where one of these is not the end of a range."""
        if not self.stretch.start <= start <= end <= self.stretch.end:
            return None
        if self.bound_before(start) != start or self.bound_before(end) != end:
            return None
        first, last = ((offset - self.stretch.start + self.width - 1) // self.width for offset in (start, end))
        found = [self.sums[number] for number in range(first, last) if number in self.sums]
        return sum(found, RowSums())


def next_question(stretch: RowSelection, *, offsets: int, rows: int, chunk_rows: int) -> tuple[RowSelection, int]:
    """(the beginning of a stretch to be asked about, the width of its ranges).

    `offsets`, `rows`: how many the chunk before had. If what follows is alike, RANGES_A_CHUNK ranges have `chunk_rows`.
    """
    width = max(1, offsets * chunk_rows // (RANGES_A_CHUNK * max(1, rows)))
    end = min(stretch.end, stretch.start + width * RANGES)
    return replace(stretch, end=end), width
