"""The embedded log's one partition, as its owner sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.sqlite import queries
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.reading_thread import SqliteReads
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import SqliteWriter
from siddes_telemetry.schemas.record import LogRecord


class SqlitePartitionView:
    """A PartitionView."""

    def __init__(self, reads: SqliteReads) -> None:
        self._reads = reads

    @property
    def number(self) -> int:
        return PARTITION

    async def committed(self) -> Committed | None:
        self._check()
        return await self._reads.run(queries.committed)

    async def bounds(self) -> tuple[int, int]:
        self._check()
        return await self._reads.run(queries.bounds)

    async def offset_at(self, appended_at_ms: int) -> int | None:
        self._check()
        return await self._reads.run(lambda c: queries.offset_at(c, appended_at_ms))

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        while start < end:
            self._check()
            records = await self._piece(start, end)
            if not records:
                return
            yield records
            start = records[-1].end

    async def _piece(self, start: int, end: int) -> Sequence[LogRecord]:
        return await self._reads.run(lambda c: queries.piece(c, start, end))

    def _check(self) -> None:
        """Whoever only looks may always look."""


class SqlitePartition(SqlitePartitionView):
    """An OwnedPartition, owned in one generation."""

    def __init__(self, generation: int, reads: SqliteReads, writer: SqliteWriter, tail: Tail) -> None:
        super().__init__(reads)
        self._generation = generation
        self._writer = writer
        self._tail = tail
        self._position: int | None = None
        self._lost = False
        self.has_committed = False  # at all, in this generation

    def give_up(self) -> None:
        """From now on every call raises PartitionLost."""
        self._lost = True

    async def commit_offset(self, offset: int, metadata: str) -> None:
        self._check()
        wanted = Committed(offset, metadata)
        try:
            accepted = await self._writer.run(lambda c: queries.commit_offset(c, self._generation, wanted))
        except LogUnavailable:
            accepted = False
        if not accepted:
            self.give_up()
            raise PartitionLost
        self.has_committed = True

    async def seek(self, offset: int) -> None:
        self._check()
        self._position = offset

    @property
    def position(self) -> int:
        if self._position is None:
            raise RuntimeError("seek comes first")
        return self._position

    async def fetch(self) -> Sequence[LogRecord]:
        position = self.position
        self._check()
        await self._tail.wait_beyond(position)
        records = self._tail.take(position) or await self._piece(position, self._tail.next_offset)
        self._position = records[-1].end
        return records

    async def high_watermark(self) -> int:
        self._check()
        return self._tail.next_offset

    def _check(self) -> None:
        if self._lost:
            raise PartitionLost
