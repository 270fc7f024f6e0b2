"""The embedded log: one partition in one SQLite file, for one process.

One thread writes the file and one reads it, each with its own connection (writing_thread.py, reading_thread.py). The
last records are also kept in memory (tail.py), so that a consumer that keeps up never reads the file.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.backends.sqlite import records, trimming
from siddes_telemetry.backends.sqlite.consumer_group import SqliteGroupConsumer
from siddes_telemetry.backends.sqlite.dead_letters import SqliteDeadLetters
from siddes_telemetry.backends.sqlite.file import (
    ORIGIN,
    PARTITION,
    connect,
    key_fingerprint,
    open_or_make,
    prove_writable,
    write_key_fingerprint,
)
from siddes_telemetry.backends.sqlite.import_intents import SqliteImportIntents
from siddes_telemetry.backends.sqlite.key_journal import SqliteJournal
from siddes_telemetry.backends.sqlite.partition import SqlitePartitionView
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.snapshot import LogSnapshot
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread
from siddes_telemetry.schemas.record import LAST_APPENDED_MS, Headers, LogRecord

T = TypeVar("T")


class SqliteLog:
    """A LogAppender and a LogView; `group_consumer()` makes a GroupConsumer, `dead_letters` is a DeadLetters.

    `clock_ms` is the wall clock, in UTC epoch milliseconds. Append times are its times and step back when it is set
    back: a clock that was ahead has no effect once it is right. `random_bits` makes the id of a new log. The
    constructor opens the file: it raises LogFileRefused or LogUnavailable. Used from one event loop.
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
        _, following = records.bounds(connection)
        self._tail = Tail(following)
        self._writing = WritingThread(connection, partial(connect, path))
        self._read_only = partial(connect, path, writing=False)
        self._reading = ReadingThread(self._read_only)
        self._membership = asyncio.Lock()
        self._commits = asyncio.Lock()
        self._snapshots = asyncio.Lock()
        self.dead_letters = SqliteDeadLetters(self._reading, self._writing, clock_ms)
        self.import_intents = SqliteImportIntents(self._reading, self._writing)

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        if partition != PARTITION:
            raise ValueError("the embedded log is one partition")
        packed = records.pack_headers(headers)

        def write(connection: sqlite3.Connection) -> LogRecord:
            now_ms = min(max(0, self._clock_ms()), LAST_APPENDED_MS)
            offset = records.append(connection, now_ms, value, packed)
            return LogRecord(offset, now_ms, value, headers)

        appending = self._writing.submit(write, one_statement=True)
        appending.add_done_callback(self._appended)  # also if the caller is cancelled
        await asyncio.shield(appending)

    async def ping(self) -> None:
        """Tries a write too, if the last one failed: so readiness recovers without an append."""
        await self._writing.run(prove_writable if self._writing.failing else lambda _: None)

    async def close(self) -> None:
        """Finish the queued writes and close the file. Cancel consumers before."""
        await self._reading.close()
        await self._writing.close()

    def group_consumer(self) -> SqliteGroupConsumer:
        """A member of the one consumer group."""
        return SqliteGroupConsumer(
            self._reading,
            self._writing,
            self._tail,
            membership=self._membership,
            commits=self._commits,
            rng=self._rng,
        )

    @property
    def origin(self) -> int:
        return ORIGIN

    async def partitions(self) -> Sequence[PartitionView]:
        return [SqlitePartitionView(self._reading)]

    def journal(self, metrics: JournalMetrics) -> SqliteJournal:
        """The key journal. Close it before the log."""
        return SqliteJournal(self._reading, self._writing, self._clock_ms, metrics)

    async def key_fingerprint(self) -> str | None:
        """The fingerprint of VIEWER_KEY that this instance began with, if it is known. Raises LogUnavailable."""
        return await self._reading.run(key_fingerprint)

    async def write_key_fingerprint(self, fingerprint: str) -> None:
        """Return once it is durable. Raises LogUnavailable."""
        await self._writing.run(lambda c: write_key_fingerprint(c, fingerprint))

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return self._tail.next_offset

    async def trim(
        self,
        now_ms: int,
        *,
        below: int,
        records_kept_ms: int = trimming.RECORDS_KEPT_MS,
        dead_letters_kept_ms: int = trimming.DEAD_LETTERS_KEPT_MS,
    ) -> trimming.Trimmed:
        """Remove old dead letters, old notes, and old records that are below `below` and the committed offset.

        Raises LogUnavailable.
        """
        async with self._snapshots:  # its checkpoint would wait for the snapshot, and all writes for the checkpoint
            return await trimming.trim(
                self._reading,
                self._writing,
                self._tail,
                now_ms,
                below=below,
                records_kept_ms=records_kept_ms,
                dead_letters_kept_ms=dead_letters_kept_ms,
            )

    @asynccontextmanager
    async def snapshot(self, meanwhile: Callable[[], Awaitable[T]]) -> AsyncIterator[tuple[LogSnapshot, T]]:
        """The state of the file at one moment, and the result of `meanwhile`. Appends are never held up.

        No offset is committed from this moment until `meanwhile` returns: commits wait. A consumer inserts nothing
        without a commit before, so what it inserts meanwhile is of the block whose intent is in the snapshot. Waits for
        a trim that runs; a later trim waits for the end of the context. Raises LogUnavailable, or what `meanwhile`
        raises.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._snapshots)
            async with self._commits:
                await self._writing.run(lambda _: None)  # after the commit of an owner that was cancelled meanwhile
                opening = asyncio.to_thread(LogSnapshot, self._read_only, self._clock_ms())
                snapshot = stack.enter_context(closing(await opening))
                result = await meanwhile()
            yield snapshot, result

    def _appended(self, appending: asyncio.Future[LogRecord]) -> None:
        if appending.exception() is None:
            self._tail.append(appending.result())
