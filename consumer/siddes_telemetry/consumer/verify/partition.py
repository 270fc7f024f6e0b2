"""Verifies one partition: reads its log once, in order, and compares it with the store chunk by chunk.

Everything below the committed offset was confirmed by the store before that offset was committed. So the store must
hold exactly the rows of those records, however busy the consumers are meanwhile.

regions.py says which records are judged. They are collected in a chunk, which has these states:

    state       event                                    next        does
    FILLING     records; the chunk is not full           FILLING     adds the rows that they must have left
    FILLING     full, at the end of a range              COMPARED    takes the sums from those that were read ahead
    FILLING     full before any range was read ahead,    COMPARED    queries the sums of this chunk
                or twice full without an end of a range
    FILLING     uncertain records, or the last record    COMPARED    takes or queries the sums
    COMPARED    the sums are equal                       FILLING     starts the next chunk
    COMPARED    the sums differ                          FILLING     compares row by row, enters the differences

Memory holds one chunk, the retry window, and the sums that were read ahead (stored_sums.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from siddes_telemetry.backends.ports.store import RowSelection
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, ROWS_BEYOND
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.consumer.set_aside.filtered_partition import read_past_set_aside
from siddes_telemetry.consumer.verify.chunk import Chunk
from siddes_telemetry.consumer.verify.context import VerifyContext
from siddes_telemetry.consumer.verify.differences import enter_differences
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.consumer.verify.expected import Expected, expect
from siddes_telemetry.consumer.verify.regions import Region, Regions, split_at
from siddes_telemetry.consumer.verify.report import PartitionReport
from siddes_telemetry.consumer.verify.scope import Scope
from siddes_telemetry.consumer.verify.stored_sums import StoredSums
from siddes_telemetry.schemas.record import LogRecord

_NO_END = 2**63  # beyond every offset


class PartitionVerifier:
    """Compares what is in scope, and enters what it finds into the report.

    It holds a retry window. None of its parts refers back to it, so that it is freed as soon as it is done.
    """

    def __init__(self, scope: Scope, report: PartitionReport, exclusions: Exclusions, context: VerifyContext) -> None:
        self._scope = scope
        self._report = report
        self._exclusions = exclusions
        self._context = context
        self._regions = Regions(scope)
        self._window = RetryWindow()
        self._chunk = Chunk(scope.judge_from)
        self._select = partial(_selection, scope.source, exclusions)
        self._stored_sums = StoredSums(context.audit, self._select, end=scope.stored_to, policy=context.chunk_policy)

    async def run(self) -> PartitionReport:
        """Raises LogUnavailable, RecordsGone, StoreUnavailable or UnreadableHereError."""
        scope, progress = self._scope, self._context.progress
        decisions = await self._decisions()
        self._window.advance((), scope.read_from)
        position = scope.read_from
        async for fetched in read_past_set_aside(scope.view, decisions, scope.read_from, scope.in_doubt_to):
            for region, records in self._regions.divide(decisions.apply(fetched)):
                await self._handle(region, records)
            progress.advance(fetched[-1].end - position)
            position = fetched[-1].end
        if self._chunk.start < scope.stored_to:
            await self._compare(scope.stored_to)
        self._report.judged_from = min(self._report.judged_from, scope.stored_to)
        progress.advance(max(0, scope.in_doubt_to - position))
        await self._count_rows_outside()
        return self._report

    async def _decisions(self) -> SetAsideDecisions:
        """A decision below the committed offset was written down before that offset was committed."""
        source = self._scope.source
        decisions = SetAsideDecisions(await self._context.audit.set_asides(source.log_id, source.partition))
        return decisions if self._scope.set_aside is None else decisions.including(self._scope.set_aside)

    async def _handle(self, region: Region, records: Sequence[LogRecord]) -> None:
        match region:
            case Region.HISTORY:
                await self._expect(records)
            case Region.UNCERTAIN:
                await self._skip(records)
            case Region.JUDGED:
                await self._judge(records)
            case Region.IN_DOUBT:
                self._report.in_doubt += (await self._expect(records)).sums.rows

    async def _skip(self, records: Sequence[LogRecord]) -> None:
        """Start to judge after these records."""
        stored_to = self._scope.stored_to
        if self._chunk.expected.records:
            await self._compare(min(records[0].offset, stored_to))
        await self._expect(records)
        self._chunk = Chunk(max(self._chunk.start, min(records[-1].end, stored_to)))
        self._report.judged_from = self._chunk.start

    async def _judge(self, records: Sequence[LogRecord]) -> None:
        """Fill chunks with these records, and compare each that is full: at the end of a range if possible."""
        end = min(records[-1].end, self._scope.stored_to)
        policy, stored_sums = self._context.chunk_policy, self._stored_sums
        while (boundary := stored_sums.boundary(self._chunk.end, end)) is not None:
            split = split_at(records, boundary)
            await self._fill(records[:split], boundary)
            records = records[split:]
            if not self._chunk.is_full(policy) and not stored_sums.is_used_up(boundary):
                break
            await self._compare(boundary)
            if boundary == end:
                return
        await self._fill(records, end)
        if self._chunk.is_full(policy, times=2 if stored_sums.has_boundaries else 1):
            await self._compare(end)

    async def _fill(self, records: Sequence[LogRecord], end: int) -> None:
        self._chunk.extend(await self._expect(records), end)

    async def _expect(self, records: Sequence[LogRecord]) -> Expected:
        """Returns what these records must have left, and moves the retry window past them."""
        if not records:
            return Expected()
        return await asyncio.to_thread(  # it takes a tenth of a second, and the event loop may serve a gateway too
            expect,
            records,
            self._window,
            source=self._scope.source,
            registry=self._context.registry,
            exclusions=self._exclusions,
        )

    async def _compare(self, end: int) -> None:
        """Compare the chunk, which ends at `end`, and start the next one there."""
        chunk, self._chunk = self._chunk, Chunk(end)
        chunk.end = end
        expected, report, context = chunk.expected, self._report, self._context
        report.add_expected(expected)
        report.missing_dead_letters += await context.dead_letters.count_missing(report.partition, expected.dead_letters)
        if await self._stored_sums.of(chunk) != expected.sums:
            await enter_differences(expected, self._select(chunk.start, end), report, context)
        await self._stored_sums.read_ahead(chunk)

    async def _count_rows_outside(self) -> None:
        """Count the rows below the judged range, and those beyond the group's offset and intent: they are surplus."""
        report, audit = self._report, self._context.audit
        if report.judged_from:
            report.earlier_rows = await audit.row_count(self._select(0, report.judged_from))
        if report.trouble in (ROWS_BEYOND.reason, OFFSET_BEYOND.reason):
            beyond = replace(self._select(self._scope.in_doubt_to, _NO_END), since_ms=0, purged_ahead=())
            report.surplus += await audit.row_count(beyond)


def _selection(source: Source, exclusions: Exclusions, start: int, end: int) -> RowSelection:
    return RowSelection(source.log_id, source.partition, start, end, exclusions.since_ms, exclusions.purged_ahead)
