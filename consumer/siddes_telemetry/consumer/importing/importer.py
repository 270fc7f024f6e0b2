"""Imports the rows of one log from one store into another, exactly once, under the log's own identity and offsets.

Theory of operation. The rows of a table day and a range of offsets are a chunk. It is delivered as a consumer delivers
a block (delivery.py): its intent first, then its rows under the token of the range, and the destination is asked
before each try. The intent is kept beside the source, which one process at a time may import. So an import that died
anywhere leaves one chunk that may be under way, and the next import first delivers exactly that chunk again.
Everything else is compared by sums: what is there is left alone, and what is missing may be cut into other chunks than
before. A folder that does not know of an import that the destination knows is a copy, or was restored: the other
folder may have an insert under way, so before anything is inserted that one is waited for.

    state       event                                      next        does
    REPLAYING   there is an intent of an earlier import    COMPARING   delivers exactly its chunk
    COMPARING   sums of a day are equal, or nothing there  INSERTING   cuts what is missing into chunks
    COMPARING   other rows are there                       -           RowsDiffer, before anything is inserted
    COMPARING   another folder of this log was imported    COMPARING   once, after OTHERS_END_S
    INSERTING   all chunks are delivered                   PROVING     commits that nothing is under way
    PROVING     sums are equal on each day                 done
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

import structlog

from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.backends.ports.log import OffsetCommitter
from siddes_telemetry.backends.ports.store import RowSelection, RowSums, StoreAudit
from siddes_telemetry.consumer.block import Block, DayRows
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.delivery import BlockDelivery
from siddes_telemetry.consumer.importing.chunk_store import ChunkStore
from siddes_telemetry.consumer.importing.chunks import CHUNK_ROWS, Chunk, Held, Segment, chunks_of
from siddes_telemetry.consumer.importing.comparison import Comparison
from siddes_telemetry.consumer.importing.limits import Limits
from siddes_telemetry.consumer.intent import commit_without_intent
from siddes_telemetry.consumer.lease import OTHERS_END_S
from siddes_telemetry.consumer.rows import RowTotals, Source
from siddes_telemetry.consumer.store_retry import StoreRetry

SHOWN_OFFSETS = 10  # of rows that differ

Progress = Callable[[int, int], None]  # (rows done, rows to do)
SumsByDay = Mapping[date, RowSums]

log = structlog.get_logger(__name__)


class RowsDifferError(BackendError):
    """The destination holds other rows than the source under some offsets of this log."""


class ImportCommitter(OffsetCommitter, Protocol):
    """Keeps the intent of an import, beside the source."""

    day: str  # the table day of the next commit


@dataclass(frozen=True)
class ImportTotals:
    """What an import did, or would do."""

    present: RowSums = field(default_factory=RowSums)  # there before
    imported: RowSums = field(default_factory=RowSums)
    expired_rows: int = 0
    purged_rows: int = 0
    days: int = 0  # that have rows


@dataclass(frozen=True)
class ImportSides:
    """The rows to import, and where they go. `store` is the one in the importer's context.

    `limits` asks both sides which rows are left out now.
    """

    rows: StoreAudit
    destination: StoreAudit
    store: ChunkStore
    limits: Callable[[], Awaitable[Limits]]


class Importer:
    """Imports the rows of one log."""

    def __init__(
        self,
        source: Source,
        sides: ImportSides,
        committer: ImportCommitter,
        ctx: ConsumerContext,
        *,
        is_copy: bool = False,
        max_rows: int = CHUNK_ROWS,
    ) -> None:
        """`is_copy`: the destination knows of an import of this log that `committer` does not know."""
        self._source = source
        self._rows, self._destination = sides.rows, sides.destination
        self._store = sides.store
        self._limits = sides.limits
        self._committer = committer
        self._retry = StoreRetry(source.partition, ctx)
        self._delivery = BlockDelivery(committer, self._retry, ctx)
        self._comparison = Comparison(
            self._rows,
            lambda chunk, width: self._retry.ask(lambda: self._destination.sums_by_range(chunk, width)),
            max_rows=max_rows,
        )
        self._max_rows = max_rows
        self._is_copy = is_copy
        self._ctx = ctx

    async def replay(self, day: str, start: int, end: int) -> None:
        """Deliver exactly this chunk again: an earlier import may have tried to insert it. Raises BackendError."""
        await self._deliver(day, start, end)

    async def run(self, progress: Progress, *, dry_run: bool = False) -> ImportTotals:
        """Import everything that is missing, or only say what is. Raises RowsDifferError, BackendError."""
        end, found, chunks = await self._compare()
        if chunks and self._is_copy and not dry_run:
            log.info("import_waits", seconds=OTHERS_END_S)
            await self._ctx.pause(OTHERS_END_S)
            end, found, chunks = await self._compare()
        missing = sum((chunk.sums for chunk in chunks), RowSums())
        expired, purged = await self._left_out(end)
        if not dry_run:
            done = 0
            for chunk in chunks:
                progress(done, missing.rows)
                await self._deliver(chunk.day, chunk.start, chunk.end)
                done += chunk.sums.rows
            progress(done, missing.rows)
            await commit_without_intent(self._committer, end)
            await self._prove(end)
        total = sum(found.values(), RowSums())
        present = RowSums(total.rows - missing.rows, total.counts - missing.counts)
        return ImportTotals(present, missing, expired, purged, len(found))

    async def _compare(self) -> tuple[int, SumsByDay, list[Chunk]]:
        """The offset after every row, the sums of the source, and the chunks that the destination lacks."""
        end = await self._end()
        found, held = await self._sums_by_day(end)
        return end, found, await self._missing(found, held, end)

    async def _missing(self, found: SumsByDay, held: SumsByDay, end: int) -> list[Chunk]:
        """The chunks that the destination lacks. Raises RowsDifferError if it holds anything else."""
        limits = await self._limits()
        chunks: list[Chunk] = []
        for day in sorted({*found, *held}):
            segments: list[Segment] = []
            differing: list[int] = []
            of_day = self._select(limits, 0, end, day.isoformat())
            async for segment in self._comparison.segments(of_day, found.get(day, RowSums()), held.get(day, RowSums())):
                segments.append(segment)
                if segment.held is Held.OTHERS:
                    differing.append(segment.start)
                if len(differing) > SHOWN_OFFSETS:
                    break
            if differing:
                raise _differ(day, differing)
            chunks += chunks_of(day.isoformat(), segments, max_rows=self._max_rows)
        return chunks

    async def _deliver(self, day: str, start: int, end: int) -> None:
        limits = await self._limits()
        selection = self._select(limits, start, end, day)
        lines = sorted(await self._rows.lines(selection))  # a retry sends the same bytes
        days = {day: DayRows(b"".join(lines), len(lines))} if lines else {}
        self._store.begin(day, selection, limits.purged)
        self._committer.day = day
        await self._delivery.deliver(Block(start, end, days, (), (), RowTotals()), self._source, in_doubt=True)

    async def _prove(self, end: int) -> None:
        found, held = await self._sums_by_day(end)
        for day in sorted({*found, *held}):
            if found.get(day) != held.get(day):
                await self._missing({day: found.get(day, RowSums())}, {day: held.get(day, RowSums())}, end)
                raise RowsDifferError(f"the cluster confirmed rows of {day} and does not have them: run this again")

    async def _sums_by_day(self, end: int) -> tuple[SumsByDay, SumsByDay]:
        """The sums on both sides, of the rows that are not left out."""
        everything = self._select(await self._limits(), 0, end)
        await self._retry.ask(self._destination.sync_replicas)
        held = await self._retry.ask(lambda: self._destination.sums_by_day(everything))
        return await self._rows.sums_by_day(everything), held

    async def _end(self) -> int:
        """The offset after every row on both sides."""
        log_id, number = self._source.log_id, self._source.partition
        here = await self._rows.stored_partitions(log_id)
        there = await self._retry.ask(lambda: self._destination.stored_partitions(log_id))
        return max((side[number].last_offset + 1 for side in (here, there) if number in side), default=0)

    async def _left_out(self, end: int) -> tuple[int, int]:
        """How many rows of the source have expired, and how many others are left out because of purges."""
        limits = await self._limits()
        not_purged = self._select(limits, 0, end)
        not_expired = replace(not_purged, since_ms=limits.expired_ms, purged_ahead=())
        rows = [
            await self._rows.row_count(selection)
            for selection in (replace(not_expired, since_ms=0), not_expired, not_purged)
        ]
        return rows[0] - rows[1], rows[1] - rows[2]

    def _select(self, limits: Limits, start: int, end: int, day: str | None = None) -> RowSelection:
        return limits.select(self._source.log_id, self._source.partition, start, end, day)


def _differ(day: date, offsets: list[int]) -> RowsDifferError:
    shown = ", ".join(map(str, offsets[:SHOWN_OFFSETS])) + (" …" if len(offsets) > SHOWN_OFFSETS else "")
    return RowsDifferError(
        f"the cluster holds other rows than this folder under offsets {shown} of {day}: "
        "another copy of this folder was imported, or rows were changed or removed by hand"
    )
