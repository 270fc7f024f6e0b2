"""The retry window of a partition while it is owned: brought to where it is needed, and left for the next owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block, occurrences_in
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.retry_window.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.retry_window.reach import Reach, reach_of
from siddes_telemetry.consumer.retry_window.rebuild import notes_of, spans
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord, goes_by_highest


class WindowManager:
    """`keys` is the window itself. `check` is given the records that are read back, before they are judged."""

    def __init__(
        self,
        partition: OwnedPartition,
        around: ConsumerContext,
        check: Callable[[Sequence[LogRecord]], Awaitable[None]],
    ) -> None:
        self._partition = partition
        self._around = around
        self._check = check
        self._source = Source(0, partition.number)
        self.keys = RetryWindow()
        self._reaches_back = False  # it was found to hold all that matters
        self._reaches_back_by_highest = False  # to records of the format that goes by this clock, too

    def begin(self, source: Source) -> None:
        """Go on from what an earlier ownership of the same partition of the same log has kept."""
        self._source = source
        self.keys = self._around.windows.of(source.log_id, source.partition)

    async def catch_up(self, start: int, records: Sequence[LogRecord]) -> None:
        """Bring the window to `start`, to judge these records, reading back where it is missing.

        Raises LogUnavailable, RecordsGone or PartitionLost. Once the window reaches far enough back, it does so for
        whatever comes after: neither clock goes back.
        """
        by_highest = not self._reaches_back_by_highest and _any_by_highest(records)
        if self.keys.offset == start and self._reaches_back and not by_highest:
            return
        kept = self.keys if self.keys.offset <= start else None
        at_ms = records[0].appended_at_ms
        reach = await reach_of(self._partition, start, at_ms)
        sources: set[str] = set()
        furthest = start + 1  # the furthest place that was tried
        for begin in reach.places(by_highest=by_highest):
            if begin >= furthest:
                continue  # what was kept from before began further back, and was not enough
            if kept is not None and kept.begin <= begin <= max(kept.offset, reach.first):
                self.keys, kept = kept, None
            else:
                self.keys = RetryWindow(begin)
            self._keep()
            since_ms = at_ms - WINDOW_MS if reach.is_near(begin) else 0
            await self._read_back(max(reach.first, self.keys.offset), start, since_ms, sources)
            furthest = self.keys.begin
            self._look_how_far(reach, at_ms)
            if self._reaches_back and (self._reaches_back_by_highest or not by_highest):
                break
        if sources:
            self._around.metrics.read_backs.labels("both" if len(sources) > 1 else sources.pop()).inc()

    def pass_over(self, start: int, end: int) -> None:
        """The log has no records in [start, end)."""
        if self.keys.offset == start:
            self.keys.advance((), end)

    def enter(self, block: Block) -> None:
        """Its keys have occurred: it is stored."""
        evicted = self.keys.evicted
        self.keys.advance(block.occurrences, block.end)
        self._keep()
        metrics = self._around.metrics
        metrics.retry_keys_evicted.inc(self.keys.evicted - evicted)
        metrics.retry_keys.labels(str(self._partition.number)).set(len(self.keys))

    async def leave_notes(self, block: Block) -> None:
        """Spare the next owner the reading back of its records."""
        notes = await asyncio.to_thread(  # half a second for the largest block of single keys
            encode_notes, self._source.log_id, block.start, block.end, block.occurred
        )
        for note in notes:
            self._around.journal.append(self._partition.number, note)

    def _keep(self) -> None:
        now_s = self._around.clocks.monotonic_s()
        self._around.windows.keep(self._source.log_id, self._source.partition, self.keys, now_s)

    def _look_how_far(self, reach: Reach, at_ms: int) -> None:
        keys = self.keys
        whole = keys.begin <= reach.first
        self._reaches_back = whole or keys.reaches_back(at_ms)
        self._reaches_back_by_highest = whole or keys.begin <= reach.hint

    async def _read_back(self, begin: int, end: int, since_ms: int, sources: set[str]) -> None:
        """Bring the window to `end`, in order, and enter where from into `sources`."""
        if begin < end:
            lowest = 0 if self.keys.offset == self.keys.begin else self.keys.offset  # nothing is in it yet
            notes = notes_of(self._around.journal, self._source, since_ms, self._around.metrics)
            async with aclosing(notes), aclosing(spans(notes, kept=lowest, begin=begin, end=end)) as found:
                async for span in found:
                    if isinstance(span, KeyNote):
                        sources.add("journal")
                        self.keys.advance(span.occurrences, span.end)
                    else:
                        sources.add("log")
                        await self._read_back_log(span.start, span.end)
        self.keys.advance((), end)

    async def _read_back_log(self, begin: int, end: int) -> None:
        async for piece in self._partition.read(begin, end):
            await self._check(piece)
            self.keys.advance(occurrences_in(piece, self._around.registry), piece[-1].end)
            self._around.metrics.read_back_bytes.labels("log").inc(sum(len(record.value) for record in piece))


def _any_by_highest(records: Sequence[LogRecord]) -> bool:
    """Whether one of these is of the format that goes by the running maximum. Neighbours may share their headers."""
    known = None
    for record in records:
        if record.headers is not known:
            known = record.headers
            if goes_by_highest(known):
                return True
    return False
