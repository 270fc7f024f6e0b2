"""Finds which rows of a table day another store has, by sums over ranges of offsets, from wide to narrow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

from siddes_telemetry.backends.ports.store import RowSelection, RowSums, StoreAudit
from siddes_telemetry.consumer.importing.chunks import CHUNK_ROWS, Held, Segment

RANGES = 64  # in one query, so that what is compared fits into memory for any number of offsets

SumsByRange = Callable[[RowSelection, int], Awaitable[Mapping[int, RowSums]]]


class Comparison:
    """Compares the rows of `source` with those of a destination, which `held_sums` asks (StoreAudit.sums_by_range)."""

    def __init__(self, source: StoreAudit, held_sums: SumsByRange, *, max_rows: int = CHUNK_ROWS) -> None:
        self._source = source
        self._held_sums = held_sums
        self._max_rows = max_rows

    async def segments(self, day: RowSelection, ours: RowSums, held: RowSums) -> AsyncIterator[Segment]:
        """Yields segments in order: every row of the selection is in one. `ours` and `held` are the sums over it.

        Segments that the destination lacks have at most `max_rows`, unless one record has more. One that differs is a
        single offset.
        """
        if ours == held:
            if ours.rows:
                yield Segment(day.start, day.end, ours, Held.ALL)
        elif not held.rows and (ours.rows <= self._max_rows or day.end - day.start == 1):
            yield Segment(day.start, day.end, ours, Held.NOTHING)
        elif day.end - day.start == 1:
            yield Segment(day.start, day.end, ours, Held.OTHERS)
        else:
            width = -(-(day.end - day.start) // RANGES)
            of_source = await self._source.sums_by_range(day, width)
            of_destination = await self._held_sums(day, width) if held.rows else {}
            for number in sorted({*of_source, *of_destination}):
                start = day.start + number * width
                within = replace(day, start=start, end=min(start + width, day.end))
                async for segment in self.segments(
                    within, of_source.get(number, RowSums()), of_destination.get(number, RowSums())
                ):
                    yield segment
