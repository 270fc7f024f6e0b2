"""The embedded log's journal of keys: a table of its own in its file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial

from siddes_telemetry.backends.journal_queue import JournalMetrics, JournalQueue
from siddes_telemetry.backends.sqlite import queries
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.reading_thread import SqliteReads
from siddes_telemetry.backends.sqlite.writing_thread import SqliteWriter


class SqliteJournal:
    """A KeyJournal."""

    def __init__(
        self, reads: SqliteReads, writer: SqliteWriter, clock_ms: Callable[[], int], metrics: JournalMetrics
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._clock_ms = clock_ms
        self._queue = JournalQueue(self._add, metrics)

    def append(self, partition: int, note: bytes) -> None:
        self._queue.put(partition, note)

    async def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        if partition != PARTITION:
            raise ValueError("the embedded log is one partition")
        after = 0
        while piece := await self._reads.run(partial(queries.notes_piece, since_ms=since_ms, after=after)):
            for _, note in piece:
                yield note
            after, _ = piece[-1]

    async def close(self) -> None:
        """Leave what is queued. To be called before the log is closed."""
        await self._queue.close()

    async def _add(self, _partition: int, note: bytes) -> None:
        await self._writer.run(lambda c: queries.add_note(c, self._clock_ms(), note))
