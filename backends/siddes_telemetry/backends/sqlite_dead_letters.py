"""The embedded log's dead letters: a table of their own in its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from siddes_telemetry.backends import sqlite_queries
from siddes_telemetry.backends.ports import DeadLetter, DeadLetterEntry
from siddes_telemetry.backends.sqlite_reads import SqliteReads
from siddes_telemetry.backends.sqlite_writer import SqliteWriter


class SqliteDeadLetters:
    """A DeadLetters."""

    def __init__(self, reads: SqliteReads, writer: SqliteWriter, clock_ms: Callable[[], int]) -> None:
        self._reads = reads
        self._writer = writer
        self._clock_ms = clock_ms

    async def add(self, letter: DeadLetter) -> None:
        await self._writer.run(lambda c: sqlite_queries.add_dead_letter(c, self._clock_ms(), letter))

    async def entries(self) -> Sequence[DeadLetterEntry]:
        return await self._reads.run(sqlite_queries.dead_letters)
