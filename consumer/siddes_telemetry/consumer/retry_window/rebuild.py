"""Rebuilds a retry window: advances it by the notes that consumers left, and by the log where notes are missing.

Notes may be missing, repeated, or overlap. None is wrong: each is what a consumer made of the very records. So the log
alone decides what is in the window, and notes only save reading it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import KeyJournal, PartitionView
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window.key_notes import BadNoteError, KeyNote, decode_note
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.window_entries import window_entries_of
from siddes_telemetry.schemas.record import LogRecord

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end) has no note: it is to be read from the log."""

    start: int
    end: int


class WindowRebuilder:
    """Rebuilds windows of one partition. `check` is given records of the log before they are decoded."""

    def __init__(
        self,
        partition: PartitionView,
        ctx: ConsumerContext,
        check: Callable[[Sequence[LogRecord]], Awaitable[None]],
    ) -> None:
        self._partition = partition
        self._ctx = ctx
        self._check = check
        self.read_from: set[str] = set()  # "journal", "log": where `advance` has read

    async def advance(self, window: RetryWindow, source: Source, end: int, *, log_start: int, since_ms: int) -> None:
        """Advance the window to `end`. Notes written before `since_ms` are not needed.

        Raises LogUnavailable, RecordsGone, PartitionLost, or what `check` raises.
        """
        begin = max(log_start, window.offset)
        if begin < end:
            lowest = 0 if window.offset == window.begin else window.offset  # an empty window may begin earlier
            notes = read_notes(self._ctx.journal, source, since_ms, self._ctx.metrics)
            async with aclosing(notes), aclosing(notes_and_gaps(notes, kept=lowest, begin=begin, end=end)) as spans:
                async for span in spans:
                    if isinstance(span, KeyNote):
                        self.read_from.add("journal")
                        window.advance(span.entries, span.end)
                    else:
                        self.read_from.add("log")
                        await self._advance_by_log(window, span)
        window.advance((), end)

    async def _advance_by_log(self, window: RetryWindow, gap: Gap) -> None:
        async for piece in self._partition.read(gap.start, gap.end):
            await self._check(piece)
            window.advance(window_entries_of(piece, self._ctx.registry), piece[-1].end)
            self._ctx.metrics.read_back_bytes.labels("log").inc(sum(len(record.value) for record in piece))


async def read_notes(
    journal: KeyJournal, source: Source, since_ms: int, metrics: ConsumerMetrics
) -> AsyncGenerator[KeyNote]:
    """The notes of this log's partition since then, in journal order, as far as the journal gives them."""
    try:
        async with aclosing(journal.notes(source.partition, since_ms)) as notes:
            async for encoded in notes:
                metrics.read_back_bytes.labels("journal").inc(len(encoded))
                try:
                    note = decode_note(encoded)
                except BadNoteError:
                    metrics.bad_notes.inc()
                    continue
                if note.log_id == source.log_id:
                    yield note
    except LogUnavailable as error:
        log.warning("journal_unavailable", partition=source.partition, reason=error.reason, problem=str(error))


async def notes_and_gaps(
    notes: AsyncIterator[KeyNote], *, kept: int, begin: int, end: int
) -> AsyncGenerator[KeyNote | Gap]:
    """Yields the notes and gaps that advance a window from `kept` to `end`. What matters starts at `begin`.

    `kept` <= `begin` < `end`. Each offset from `begin` on is in exactly one of them. A note is taken whole or not at
    all, since it does not tell its records apart. The first may start before `begin`: remembering more does no harm.
    """
    at, lowest = begin, kept
    async for note in notes:
        if note.start < lowest or note.end <= at or note.end > end:
            continue
        if note.start > at:
            yield Gap(at, note.start)
        yield note
        at = lowest = note.end
        if at == end:
            return
    yield Gap(at, end)
