"""The retry window of one owned partition: advanced to where it is needed, and kept for the next owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.retry_window.key_notes import encode_notes
from siddes_telemetry.consumer.retry_window.rebuild import WindowRebuilder
from siddes_telemetry.consumer.retry_window.start_search import StartSearch, search_start
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.record_formats import uses_max_append_time


class PartitionWindow:
    """`window` is the retry window itself. `check` is given records that are read back, before they are decoded."""

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
        self._covers = False  # the window was found to hold everything that matters
        self._covers_by_max_time = False  # also to records that are judged by the running maximum

    @property
    def offset(self) -> int:
        """Up to where the window knows the log."""
        return self.window.offset

    def load(self, source: Source) -> None:
        """Start from the window that an earlier ownership of this log's partition left in this process."""
        self._source = source
        self.window = self._ctx.window_cache.get(source.log_id, source.partition)

    async def prepare(self, start: int, records: Sequence[LogRecord]) -> None:
        """Advance the window to `start`, so that these records can be judged. Rebuilds what is missing.

        Raises LogUnavailable, RecordsGone, PartitionLost, or what `check` raises. Once the window covers the ten
        minutes before a record, it does so for every later record: neither clock goes back.
        """
        by_max_time = not self._covers_by_max_time and _any_by_max_time(records)
        if self.window.offset == start and self._covers and not by_max_time:
            return
        cached = self.window if self.window.offset <= start else None
        at_ms = records[0].appended_at_ms
        search = await search_start(self._partition, start, at_ms)
        rebuilder = WindowRebuilder(self._partition, self._ctx, self._check)
        furthest = start + 1  # the lowest offset that was tried
        for begin in search.candidates(by_max_time=by_max_time):
            if begin >= furthest:
                continue  # the cached window began further back, and did not cover enough
            if cached is not None and cached.begin <= begin <= max(cached.offset, search.log_start):
                self.window, cached = cached, None
            else:
                self.window = RetryWindow(begin)
            self._put_into_cache()
            since_ms = at_ms - WINDOW_MS if search.is_by_time(begin) else 0
            await rebuilder.advance(self.window, self._source, start, log_start=search.log_start, since_ms=since_ms)
            furthest = self.window.begin
            self._update_coverage(search, at_ms)
            if self._covers and (self._covers_by_max_time or not by_max_time):
                break
        if read_from := rebuilder.read_from:
            self._ctx.metrics.read_backs.labels("both" if len(read_from) > 1 else read_from.pop()).inc()

    def skip_gap(self, start: int, end: int) -> None:
        """The log has no records in [start, end)."""
        if self.window.offset == start:
            self.window.advance((), end)

    def add_stored(self, block: Block) -> None:
        """Add the keys of a block that is stored."""
        evicted = self.window.evicted
        self.window.advance(block.window_entries, block.end)
        self._put_into_cache()
        metrics = self._ctx.metrics
        metrics.retry_keys_evicted.inc(self.window.evicted - evicted)
        metrics.retry_keys.labels(str(self._partition.number)).set(len(self.window))

    async def write_notes(self, block: Block) -> None:
        """Append notes of the block's keys to the journal, so that the next owner need not read its records."""
        notes = await asyncio.to_thread(  # half a second for the largest block of single keys
            encode_notes, self._source.log_id, block.start, block.end, block.located_entries
        )
        for note in notes:
            self._ctx.journal.append(self._partition.number, note)

    def _put_into_cache(self) -> None:
        now_s = self._ctx.clocks.monotonic_s()
        self._ctx.window_cache.put(self._source.log_id, self._source.partition, self.window, now_s)

    def _update_coverage(self, search: StartSearch, at_ms: int) -> None:
        window = self.window
        whole_log = window.begin <= search.log_start
        self._covers = whole_log or window.covers_window(at_ms)
        self._covers_by_max_time = whole_log or window.begin <= search.hint


def _any_by_max_time(records: Sequence[LogRecord]) -> bool:
    """Whether one of these is judged by the running maximum of append times. Neighbours may share their headers."""
    known = None
    for record in records:
        if record.headers is not known:
            known = record.headers
            if uses_max_append_time(known):
                return True
    return False
