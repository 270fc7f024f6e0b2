"""The embedded log's one partition: reads, and for its owner the stream of records and the committed offset."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.sqlite import records
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread
from siddes_telemetry.schemas.record import LogRecord


class SqlitePartitionView:
    """A PartitionView."""

    def __init__(self, reading: ReadingThread) -> None:
        self._reading = reading

    @property
    def number(self) -> int:
        return PARTITION

    async def committed(self) -> Committed | None:
        self._check_owned()
        return await self._reading.run(_committed)

    async def bounds(self) -> tuple[int, int]:
        self._check_owned()
        return await self._reading.run(records.bounds)

    async def offset_at(self, appended_at_ms: int) -> int | None:
        self._check_owned()
        return await self._reading.run(lambda c: records.offset_at(c, appended_at_ms))

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        while start < end:
            self._check_owned()
            chunk = await self._read_chunk(start, end)
            if not chunk:
                return
            yield chunk
            start = chunk[-1].end

    async def _read_chunk(self, start: int, end: int) -> Sequence[LogRecord]:
        return await self._reading.run(lambda c: records.read_chunk(c, start, end))

    def _check_owned(self) -> None:
        """A view needs no ownership; SqlitePartition does."""


class SqlitePartition(SqlitePartitionView):
    """An OwnedPartition, owned in one generation."""

    def __init__(
        self, generation: int, reading: ReadingThread, writing: WritingThread, tail: Tail, commits: asyncio.Lock
    ) -> None:
        super().__init__(reading)
        self._generation = generation
        self._writing = writing
        self._commits = commits
        self._tail = tail
        self._position: int | None = None
        self._lost = False
        self.has_committed = False  # in this generation

    def give_up(self) -> None:
        """From now on every call raises PartitionLost."""
        self._lost = True

    async def commit_offset(self, offset: int, metadata: str) -> None:
        self._check_owned()
        wanted = Committed(offset, metadata)
        try:
            async with self._commits:
                accepted = await self._writing.run(lambda c: _commit_offset(c, self._generation, wanted))
        except LogUnavailable:
            accepted = False
        if not accepted:
            self.give_up()
            raise PartitionLost
        self.has_committed = True

    async def seek(self, offset: int) -> None:
        self._check_owned()
        self._position = offset

    @property
    def position(self) -> int:
        if self._position is None:
            raise RuntimeError("seek comes first")
        return self._position

    async def fetch(self) -> Sequence[LogRecord]:
        position = self.position
        self._check_owned()
        await self._tail.wait_beyond(position)
        fetched = self._tail.take(position) or await self._read_chunk(position, self._tail.next_offset)
        self._position = fetched[-1].end
        return fetched

    async def high_watermark(self) -> int:
        self._check_owned()
        return self._tail.next_offset

    def _check_owned(self) -> None:
        if self._lost:
            raise PartitionLost


def _committed(connection: sqlite3.Connection) -> Committed | None:
    offset, metadata = connection.execute(
        "SELECT offset, metadata FROM consumer_group WHERE partition = ?", (PARTITION,)
    ).fetchone()
    return None if offset is None else Committed(offset, metadata)


def _commit_offset(connection: sqlite3.Connection, generation: int, committed: Committed) -> bool:
    """Commit if `generation` is still the group's generation; returns whether it is."""
    cursor = connection.execute(
        "UPDATE consumer_group SET offset = ?, metadata = ? WHERE partition = ? AND generation = ?",
        (committed.offset, committed.metadata, PARTITION, generation),
    )
    return cursor.rowcount == 1
