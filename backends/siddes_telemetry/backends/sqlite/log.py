"""The embedded log: one partition in one SQLite file, for one process."""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.administration import FAR_AHEAD_MS
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.backends.sqlite import queries
from siddes_telemetry.backends.sqlite.consumer_group import SqliteGroupConsumer
from siddes_telemetry.backends.sqlite.dead_letters import SqliteDeadLetters
from siddes_telemetry.backends.sqlite.file import ORIGIN, PARTITION, connect, open_or_make
from siddes_telemetry.backends.sqlite.headers import pack_headers
from siddes_telemetry.backends.sqlite.key_journal import SqliteJournal
from siddes_telemetry.backends.sqlite.partition import SqlitePartitionView
from siddes_telemetry.backends.sqlite.reading_thread import SqliteReads
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import SqliteWriter
from siddes_telemetry.schemas.record import LAST_APPENDED_MS, Headers, LogRecord
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

RECORDS_KEPT_MS = DAY_MS  # stored records stay a day, for an operator to look at, and for client retries
NOTES_KEPT_MS = HOUR_MS  # as on Kafka: ten minutes matter
DEAD_LETTERS_KEPT_MS = 30 * DAY_MS  # as on Kafka: time to act on them, not for ever


class Trimmed(NamedTuple):
    """How many of each were let go."""

    records: int
    dead_letters: int


class SqliteLog:
    """A LogAppender and a LogView; `group_consumer()` makes a GroupConsumer, `dead_letters` is a DeadLetters.

    `clock_ms` is the wall clock, UTC epoch milliseconds: append times are what it says, and step back where it is set
    back, so that a clock that was ahead is over with once it is right. `random_bits` makes the identity of a new
    log. Opens the file now: raises LogFileRefused or LogUnavailable. Used from one event loop.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock_ms: Callable[[], int],
        rng: random.Random,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        connection, self.log_id = open_or_make(path, random_bits)
        self._clock_ms = clock_ms
        self._rng = rng
        _, following = queries.bounds(connection)
        self._tail = Tail(following)
        self._writer = SqliteWriter(connection, partial(connect, path))
        self._reads = SqliteReads(partial(connect, path, writing=False))
        self._membership = asyncio.Lock()
        self.dead_letters = SqliteDeadLetters(self._reads, self._writer, clock_ms)

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        if partition != PARTITION:
            raise ValueError("the embedded log is one partition")
        packed = pack_headers(headers)

        def write(connection: sqlite3.Connection) -> LogRecord:
            now_ms = min(max(0, self._clock_ms()), LAST_APPENDED_MS)
            offset = queries.insert(connection, now_ms, value, packed)
            return LogRecord(offset, now_ms, value, headers)

        appending = self._writer.submit(write, one_statement=True)
        appending.add_done_callback(self._appended)  # even where nobody waits any more
        await asyncio.shield(appending)

    async def ping(self) -> None:
        """Also tries a write, where the latest one failed: readiness comes back without an append."""
        await self._writer.run(queries.prove_writable if self._writer.failing else lambda _: None)

    async def close(self) -> None:
        """Finish what is queued and let go of the file. Readers are to be cancelled before."""
        await self._reads.close()
        await self._writer.close()

    def group_consumer(self) -> SqliteGroupConsumer:
        """A member of the one consumer group."""
        return SqliteGroupConsumer(self._reads, self._writer, self._tail, self._membership, self._rng)

    @property
    def origin(self) -> int:
        return ORIGIN

    async def partitions(self) -> Sequence[PartitionView]:
        return [SqlitePartitionView(self._reads)]

    def journal(self, metrics: JournalMetrics) -> SqliteJournal:
        """Its journal of keys: to be closed before the log."""
        return SqliteJournal(self._reads, self._writer, self._clock_ms, metrics)

    @property
    def end(self) -> int:
        """The offset that the next record will get."""
        return self._tail.next_offset

    async def trim(
        self,
        now_ms: int,
        *,
        below: int,
        records_kept_ms: int = RECORDS_KEPT_MS,
        dead_letters_kept_ms: int = DEAD_LETTERS_KEPT_MS,
    ) -> Trimmed:
        """Remove records below the committed offset that are older than this, and old dead letters and notes.

        No record from `below` on. One that is dated far ahead goes with the next that is old enough; dead letters and
        notes that are count as added now.

        In pieces, each sharing a transaction with appends. What is removed is overwritten, and its room is given
        back to the file system. Raises LogUnavailable.
        """
        while await self._writer.run(lambda c: queries.redate_piece(c, now_ms)):
            pass
        notes = await self._remove(queries.trim_notes_piece, now_ms - NOTES_KEPT_MS)
        letters = await self._remove(queries.trim_dead_letters_piece, now_ms - dead_letters_kept_ms)
        end = await self._trim_end(below, now_ms - records_kept_ms, now_ms + FAR_AHEAD_MS)
        records = await self._remove(queries.trim_piece, end)
        if records:
            self._tail.forget()
        if notes or letters or records:
            await self._reads.checkpoint()
        return Trimmed(records, letters)

    async def _trim_end(self, below: int, before_ms: int, ahead_ms: int) -> int:
        """The offset before which records may go: beyond the last old one that no young one precedes."""
        end = at = 0
        while page := await self._reads.run(partial(queries.append_times, after=at, below=below)):
            for at, appended_at_ms in page:
                if appended_at_ms < before_ms:
                    end = at + 1
                elif appended_at_ms <= ahead_ms:
                    return end
        return end

    async def _remove(self, piece: Callable[[sqlite3.Connection, int], int], before: int) -> int:
        def remove(connection: sqlite3.Connection) -> int:
            removed = piece(connection, before)
            queries.vacuum_piece(connection)
            return removed

        removed = 0
        while in_piece := await self._writer.run(remove):
            removed += in_piece
        return removed

    def _appended(self, appending: asyncio.Future[LogRecord]) -> None:
        if appending.exception() is None:
            self._tail.appended(appending.result())
