"""The embedded log's dead letters: a table in the log's file. trimming.py removes old ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from siddes_telemetry.backends.ports.log import DeadLetter, DeadLetterEntry
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.records import pack_headers
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread


class SqliteDeadLetters:
    """A DeadLetters."""

    def __init__(self, reading: ReadingThread, writing: WritingThread, clock_ms: Callable[[], int]) -> None:
        self._reading = reading
        self._writing = writing
        self._clock_ms = clock_ms

    async def append(self, letter: DeadLetter) -> None:
        await self._writing.run(lambda c: _insert(c, self._clock_ms(), letter))

    async def entries(self) -> Sequence[DeadLetterEntry]:
        return await self._reading.run(_select)


def _insert(connection: sqlite3.Connection, now_ms: int, letter: DeadLetter) -> None:
    """Insert the letter, unless its partition and offset have one."""
    connection.execute(
        "INSERT OR IGNORE INTO dead_letters (partition, offset, added_at_ms, reason, headers, value)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (letter.partition, letter.offset, now_ms, letter.reason, pack_headers(letter.headers), letter.value),
    )


def _select(connection: sqlite3.Connection) -> Sequence[DeadLetterEntry]:
    """All entries, in order of partition and offset."""
    rows = connection.execute(
        "SELECT partition, offset, reason, length(value) FROM dead_letters ORDER BY partition, offset"
    )
    return [DeadLetterEntry(*row) for row in rows]
