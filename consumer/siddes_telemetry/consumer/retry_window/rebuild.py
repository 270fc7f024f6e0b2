"""Bringing a retry window to an offset: from the notes that consumers left, and from the log where they leave a gap.

Notes may be missing, repeated, or overlap; none is ever wrong, being what a consumer made of the very records. So
correctness is the log's alone, and notes only spare the reading of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import KeyJournal
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window.key_notes import BadNoteError, KeyNote, decode_note
from siddes_telemetry.consumer.rows import Source

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end): to be read from the log."""

    start: int
    end: int


async def read_notes(
    journal: KeyJournal, source: Source, since_ms: int, metrics: ConsumerMetrics
) -> AsyncGenerator[KeyNote]:
    """The notes of this log's partition since then, in the order they were left, as far as the journal gives them."""
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
        log.warning("journal_unavailable", partition=source.partition, error=type(error).__name__)


async def notes_and_gaps(
    notes: AsyncIterator[KeyNote], *, kept: int, begin: int, end: int
) -> AsyncGenerator[KeyNote | Gap]:
    """What brings a window that reaches to `kept` to `end`, in order, where what matters begins at `begin`.

    `kept` <= `begin` < `end`. Each offset from `begin` on is in one span. A note is taken whole or not at all, since
    it does not tell its records apart; the first may begin before `begin`: it does no harm to remember more.
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
