"""How far the counts of this data folder were imported into clusters: a table in the log's file.

As with a consumer group, the metadata holds the intent. There is one entry for each log and each cluster. A cluster is
known by the time at which the first import of the log into it began.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread


@dataclass(frozen=True, slots=True)
class ImportPosition:
    """The last commit of an import: a table day, an offset in it, and the metadata."""

    day: str
    offset: int
    metadata: str


class SqliteImportIntents:
    """Reads and writes the entries. Every call may raise LogUnavailable."""

    def __init__(self, reading: ReadingThread, writing: WritingThread) -> None:
        self._reading = reading
        self._writing = writing

    async def last(self, log_id: int, began_at_ms: int) -> ImportPosition | None:
        """The last commit, or None before the first."""
        return await self._reading.run(lambda c: _select(c, log_id, began_at_ms))

    async def commit(self, log_id: int, began_at_ms: int, position: ImportPosition) -> None:
        """Return once it is durable."""
        await self._writing.run(lambda c: _replace(c, log_id, began_at_ms, position))

    async def any(self) -> bool:
        """Whether an import of this folder has ever begun."""
        return await self._reading.run(lambda c: c.execute("SELECT 1 FROM imports").fetchone() is not None)


def _select(connection: sqlite3.Connection, log_id: int, began_at_ms: int) -> ImportPosition | None:
    found = connection.execute(
        "SELECT day, offset, metadata FROM imports WHERE log_id = ? AND began_at_ms = ?", (log_id, began_at_ms)
    ).fetchone()
    return None if found is None else ImportPosition(*found)


def _replace(connection: sqlite3.Connection, log_id: int, began_at_ms: int, position: ImportPosition) -> None:
    connection.execute(
        "REPLACE INTO imports (log_id, began_at_ms, day, offset, metadata) VALUES (?, ?, ?, ?, ?)",
        (log_id, began_at_ms, position.day, position.offset, position.metadata),
    )
