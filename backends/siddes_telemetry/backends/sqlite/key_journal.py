"""The embedded log's key journal: a table of notes in the log's file. trimming.py removes old ones."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

from siddes_telemetry.backends.journal_queue import JournalMetrics, JournalQueue
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread

CHUNK_NOTES = 16  # read in one transaction; each has at most half a MiB


class SqliteJournal:
    """A KeyJournal."""

    def __init__(
        self, reading: ReadingThread, writing: WritingThread, clock_ms: Callable[[], int], metrics: JournalMetrics
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._clock_ms = clock_ms
        self._queue = JournalQueue(self._insert, metrics)

    def append(self, partition: int, note: bytes) -> None:
        self._queue.put(partition, note)

    async def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        if partition != PARTITION:
            raise ValueError("the embedded log is one partition")
        after = 0
        while chunk := await self._reading.run(partial(_select_chunk, since_ms=since_ms, after=after)):
            for _, note in chunk:
                yield note
            after, _ = chunk[-1]

    async def close(self) -> None:
        """Write the queued notes. To be called before the log is closed."""
        await self._queue.close()

    async def _insert(self, _partition: int, note: bytes) -> None:
        await self._writing.run(lambda c: _insert(c, self._clock_ms(), note))


def _insert(connection: sqlite3.Connection, now_ms: int, note: bytes) -> None:
    """Insert a note. It is dated at or after the last record's time, because readers search by records' times."""
    connection.execute(
        "INSERT INTO key_notes (added_at_ms, note) SELECT max(?,"
        " coalesce((SELECT appended_at_ms FROM records ORDER BY offset DESC LIMIT 1), 0)), ?",
        (now_ms, note),
    )


def _select_chunk(connection: sqlite3.Connection, *, since_ms: int, after: int) -> Sequence[tuple[int, bytes]]:
    """(id, note) of the first notes with a greater id than `after` that were added at `since_ms` or later."""
    return connection.execute(
        "SELECT id, note FROM key_notes WHERE id > ? AND added_at_ms >= ? ORDER BY id LIMIT ?",
        (after, since_ms, CHUNK_NOTES),
    ).fetchall()
