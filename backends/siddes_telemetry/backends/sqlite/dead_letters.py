"""The embedded log's dead letters: a table of their own in its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from siddes_telemetry.backends.ports.log import DeadLetter, DeadLetterEntry
from siddes_telemetry.backends.sqlite import queries
from siddes_telemetry.backends.sqlite.reading_thread import SqliteReads
from siddes_telemetry.backends.sqlite.writing_thread import SqliteWriter


class SqliteDeadLetters:
    """A DeadLetters."""

    def __init__(self, reads: SqliteReads, writer: SqliteWriter, clock_ms: Callable[[], int]) -> None:
        self._reads = reads
        self._writer = writer
        self._clock_ms = clock_ms

    async def append(self, letter: DeadLetter) -> None:
        await self._writer.run(lambda c: queries.add_dead_letter(c, self._clock_ms(), letter))

    async def entries(self) -> Sequence[DeadLetterEntry]:
        return await self._reads.run(queries.dead_letters)
