"""The retry window of a partition while it is owned: brought to where it is needed, and left for the next owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block, window_entries_of
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.retry_window.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.retry_window.rebuild import notes_and_gaps, read_notes
from siddes_telemetry.consumer.retry_window.start_search import StartSearch, search_start
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.record_formats import uses_max_append_time


class PartitionWindow:
    """`window` is the window itself. `check` is given the records that are read back, before they are judged."""

    def __init__(
        self,
        partition: OwnedPartition,
        ctx: ConsumerContext,
        check: Callable[[Sequence[LogRecord]], Awaitable[None]],
    ) -> None:
        self._partition = partition
        self._ctx = ctx
        self._check = check
        self._source = Source(0, partition.number)
        self.window = RetryWindow()
        self._covers = False  # it was found to hold all that matters
        self._covers_by_max_time = False  # to records of the format that goes by this clock, too

    @property
    def offset(self) -> int:
        """How far the window has come."""
        return self.window.offset

    def load(self, source: Source) -> None:
        """Go on from what an earlier ownership of the same partition of the same log has kept."""
        self._source = source
        self.window = self._ctx.window_cache.get(source.log_id, source.partition)

    async def prepare(self, start: int, records: Sequence[LogRecord]) -> None:
        """Bring the window to `start`, to judge these records, reading back where it is missing.

        Raises LogUnavailable, RecordsGone or PartitionLost. Once the window reaches far enough back, it does so for
        whatever comes after: neither clock goes back.
        """
        by_max_time = not self._covers_by_max_time and _any_by_max_time(records)
        if self.window.offset == start and self._covers and not by_max_time:
            return
        kept = self.window if self.window.offset <= start else None
        at_ms = records[0].appended_at_ms
        search = await search_start(self._partition, start, at_ms)
        sources: set[str] = set()
        furthest = start + 1  # the furthest place that was tried
        for begin in search.candidates(by_max_time=by_max_time):
            if begin >= furthest:
                continue  # what was kept from before began further back, and was not enough
            if kept is not None and kept.begin <= begin <= max(kept.offset, search.log_start):
                self.window, kept = kept, None
            else:
                self.window = RetryWindow(begin)
            self._keep()
            since_ms = at_ms - WINDOW_MS if search.is_by_time(begin) else 0
            await self._read_back(max(search.log_start, self.window.offset), start, since_ms, sources)
            furthest = self.window.begin
            self._look_how_far(search, at_ms)
            if self._covers and (self._covers_by_max_time or not by_max_time):
                break
        if sources:
            self._ctx.metrics.read_backs.labels("both" if len(sources) > 1 else sources.pop()).inc()

    def skip_gap(self, start: int, end: int) -> None:
        """The log has no records in [start, end)."""
        if self.window.offset == start:
            self.window.advance((), end)

    def add_stored(self, block: Block) -> None:
        """Its keys have occurred: it is stored."""
        evicted = self.window.evicted
        self.window.advance(block.window_entries, block.end)
        self._keep()
        metrics = self._ctx.metrics
        metrics.retry_keys_evicted.inc(self.window.evicted - evicted)
        metrics.retry_keys.labels(str(self._partition.number)).set(len(self.window))

    async def write_notes(self, block: Block) -> None:
        """Spare the next owner the reading back of its records."""
        notes = await asyncio.to_thread(  # half a second for the largest block of single keys
            encode_notes, self._source.log_id, block.start, block.end, block.located_entries
        )
        for note in notes:
            self._ctx.journal.append(self._partition.number, note)

    def _keep(self) -> None:
        now_s = self._ctx.clocks.monotonic_s()
        self._ctx.window_cache.put(self._source.log_id, self._source.partition, self.window, now_s)

    def _look_how_far(self, search: StartSearch, at_ms: int) -> None:
        keys = self.window
        whole = keys.begin <= search.log_start
        self._covers = whole or keys.covers_window(at_ms)
        self._covers_by_max_time = whole or keys.begin <= search.hint

    async def _read_back(self, begin: int, end: int, since_ms: int, sources: set[str]) -> None:
        """Bring the window to `end`, in order, and enter where from into `sources`."""
        if begin < end:
            lowest = 0 if self.window.offset == self.window.begin else self.window.offset  # nothing is in it yet
            notes = read_notes(self._ctx.journal, self._source, since_ms, self._ctx.metrics)
            async with aclosing(notes), aclosing(notes_and_gaps(notes, kept=lowest, begin=begin, end=end)) as found:
                async for span in found:
                    if isinstance(span, KeyNote):
                        sources.add("journal")
                        self.window.advance(span.entries, span.end)
                    else:
                        sources.add("log")
                        await self._read_back_log(span.start, span.end)
        self.window.advance((), end)

    async def _read_back_log(self, begin: int, end: int) -> None:
        async for piece in self._partition.read(begin, end):
            await self._check(piece)
            self.window.advance(window_entries_of(piece, self._ctx.registry), piece[-1].end)
            self._ctx.metrics.read_back_bytes.labels("log").inc(sum(len(record.value) for record in piece))


def _any_by_max_time(records: Sequence[LogRecord]) -> bool:
    """Whether one of these is of the format that goes by the running maximum. Neighbours may share their headers."""
    known = None
    for record in records:
        if record.headers is not known:
            known = record.headers
            if uses_max_append_time(known):
                return True
    return False
