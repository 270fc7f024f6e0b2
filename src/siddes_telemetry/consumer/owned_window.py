"""The retry window of a partition while it is owned: brought to where it is needed, and left for the next owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from siddes_telemetry.backends.ports import OwnedPartition
from siddes_telemetry.consumer.block import Block, occurrences_in
from siddes_telemetry.consumer.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.read_back import notes_of, spans
from siddes_telemetry.consumer.retry_window import WINDOW_MS, RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.surroundings import Surroundings
from siddes_telemetry.schemas.record import LogRecord


class OwnedWindow:
    """`keys` is the window itself. `check` is given the records that are read back, before they are judged."""

    def __init__(
        self,
        partition: OwnedPartition,
        around: Surroundings,
        check: Callable[[Sequence[LogRecord]], Awaitable[None]],
    ) -> None:
        self._partition = partition
        self._around = around
        self._check = check
        self._source = Source(0, partition.number)
        self.keys = RetryWindow()

    def begin(self, source: Source) -> None:
        """Go on from what an earlier ownership of the same partition of the same log has kept."""
        self._source = source
        self.keys = self._around.windows.of(source.log_id, source.partition)

    async def catch_up(self, start: int, next_appended_at_ms: int) -> None:
        """Bring the window to `start`, reading back where it is missing. Raises LogUnavailable or PartitionLost.

        What matters for a record that was appended at t lies within ten minutes before t: everything before the first
        offset of that time is older than that, and so is every running maximum up to there.
        """
        if self.keys.offset == start:
            return
        if self.keys.offset > start:
            self.keys = RetryWindow()
        self._keep()
        since_ms = next_appended_at_ms - WINDOW_MS
        back_to = await self._partition.offset_at(since_ms)
        first, _ = await self._partition.bounds()
        begin = max(first, self.keys.offset, start if back_to is None else back_to)
        if begin < start:
            await self._read_back(begin, start, since_ms)
        self.keys.advance((), start)

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
            self._around.journal.note(self._partition.number, note)

    def _keep(self) -> None:
        now_s = self._around.clocks.monotonic_s()
        self._around.windows.keep(self._source.log_id, self._source.partition, self.keys, now_s)

    async def _read_back(self, begin: int, end: int, since_ms: int) -> None:
        around, sources = self._around, set()
        notes = notes_of(around.journal, self._source, since_ms, around.metrics)
        async with aclosing(notes), aclosing(spans(notes, kept=self.keys.offset, begin=begin, end=end)) as found:
            async for span in found:
                if isinstance(span, KeyNote):
                    sources.add("journal")
                    self.keys.advance(span.occurrences, span.end)
                else:
                    sources.add("log")
                    await self._read_back_log(span.start, span.end)
        around.metrics.read_backs.labels("both" if len(sources) > 1 else sources.pop()).inc()

    async def _read_back_log(self, begin: int, end: int) -> None:
        async for piece in self._partition.read(begin, end):
            await self._check(piece)
            self.keys.advance(occurrences_in(piece, self._around.registry), piece[-1].offset + 1)
            self._around.metrics.read_back_bytes.labels("log").inc(sum(len(record.value) for record in piece))
