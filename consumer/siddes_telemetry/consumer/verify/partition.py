"""One partition, verified: its log is read once, in order, and compared with the store chunk by chunk.

What is below the committed offset was confirmed before the offset was read, so the store must hold it, no more and no
less, however busy the consumers are meanwhile. Memory holds one chunk and the retry window.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from siddes_telemetry.backends.ports.log import DeadLetters
from siddes_telemetry.backends.ports.store import RowSelection, StoreAudit
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, ROWS_BEYOND
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions, read_past_set_aside
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.consumer.verify.expected import Expected, expect
from siddes_telemetry.consumer.verify.log_start import LogStart
from siddes_telemetry.consumer.verify.range_sums import RangeSums, next_question
from siddes_telemetry.consumer.verify.report import PartitionReport
from siddes_telemetry.consumer.verify.scope import Scope
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import place_of_row

CHUNK_ROWS = 100_000  # some 40 MB here; twice that at most
CHUNK_RECORDS = 100_000  # where records leave few rows
NO_END = 2**63  # beyond every offset

_offset = attrgetter("offset")

Repair = Callable[[RowSelection, Counter[bytes]], Awaitable[int]]
Moved = Callable[[int], None]  # by how many offsets


class DeadLetterIndex:
    """Where the dead letters come from, read when it is asked for."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._places: set[tuple[int, int]] = set()

    async def lacking(self, partition: int, offsets: Sequence[int]) -> int:
        """How many of these unreadable records are not among the dead letters. Raises LogUnavailable."""
        wanted = {(partition, offset) for offset in offsets}
        if wanted - self._places:
            self._places = {(entry.partition, entry.offset) for entry in await self._dead_letters.entries()}
        return len(wanted - self._places)


@dataclass(frozen=True)
class VerifyContext:
    """What a verification works with. `exclusions` is read again where rows are missing: a purge adds to it."""

    audit: StoreAudit
    dead_letters: DeadLetterIndex
    registry: Registry
    exclusions: Callable[[int], Awaitable[Exclusions]]  # of a partition
    repair: Repair | None
    moved: Moved


class PartitionVerifier:
    """Reads and compares what is in scope, and enters what it finds into the report."""

    def __init__(self, scope: Scope, report: PartitionReport, exclusions: Exclusions, context: VerifyContext) -> None:
        self._scope = scope
        self._report = report
        self._exclusions = exclusions
        self._context = context
        self._window = RetryWindow()
        self._chunk = Expected()
        self._chunk_start = self._chunk_end = scope.judge_from
        self._range_sums: RangeSums | None = None  # of the stretch that follows the first chunk
        self._log_start = LogStart(trimmed=scope.trimmed)

    async def run(self) -> None:
        """Raises LogUnavailable, RecordsGone, StoreUnavailable or UnreadableHereError."""
        scope, report = self._scope, self._report
        # What was set aside below the group's offset was written down before that was committed.
        source = scope.source
        decisions = SetAsideDecisions(await self._context.audit.set_asides(source.log_id, source.partition))
        if scope.aside is not None:
            decisions = decisions.including(scope.aside)
        self._window.advance((), scope.read_from)
        position = scope.read_from
        async for read in read_past_set_aside(scope.view, decisions, scope.read_from, scope.begun_to):
            if piece := decisions.apply(read):
                for certain, records in self._log_start.divide(piece):
                    await (self._take(records) if certain else self._leave_out(records))
            self._context.moved(read[-1].end - position)
            position = read[-1].end
        if self._chunk_start < scope.stored_to:
            await self._compare(scope.stored_to)
        report.judged_from = min(report.judged_from, scope.stored_to)
        self._context.moved(max(0, scope.begun_to - position))
        await self._look_around()

    async def _take(self, records: Sequence[LogRecord]) -> None:
        """Judge those that are in scope; what comes before them only has occurred, what comes after is in doubt."""
        begin = bisect_left(records, self._scope.judge_from, key=_offset)
        split = max(begin, bisect_left(records, self._scope.stored_to, key=_offset))
        await self._expect(records[:begin])
        await self._judge(records[begin:split])
        self._report.in_doubt += (await self._expect(records[split:])).sums.rows

    async def _leave_out(self, records: Sequence[LogRecord]) -> None:
        """These may repeat batches that the log has dropped: what is judged begins after them."""
        stored_to = self._scope.stored_to
        if self._chunk.records:
            await self._compare(min(records[0].offset, stored_to))
        await self._expect(records)
        self._chunk_start = self._chunk_end = max(self._chunk_start, min(records[-1].end, stored_to))
        self._report.judged_from = self._chunk_start

    async def _expect(self, records: Sequence[LogRecord]) -> Expected:
        if not records:
            return Expected()
        return await asyncio.to_thread(  # a piece takes a tenth of a second, and the loop may be a gateway's
            expect,
            records,
            self._window,
            source=self._scope.source,
            registry=self._context.registry,
            exclusions=self._exclusions,
        )

    async def _judge(self, records: Sequence[LogRecord]) -> None:
        """Add these to the chunk, and compare it once it is large enough, at a bound of what was told if possible."""
        if not records:
            return
        end = min(records[-1].end, self._scope.stored_to)
        while self._range_sums is not None and (bound := self._range_sums.bound_before(end)) >= self._chunk_end:
            split = bisect_left(records, bound, key=_offset)
            await self._add(records[:split], bound)
            records = records[split:]
            if not self._is_full() and bound < self._range_sums.stretch.end:
                break
            await self._compare(bound)
            if bound == end:
                return
        await self._add(records, end)
        if self._is_full(times=1 if self._range_sums is None else 2):
            await self._compare(end)

    async def _add(self, records: Sequence[LogRecord], end: int) -> None:
        self._chunk.add(await self._expect(records))
        self._chunk_end = end

    def _is_full(self, times: int = 1) -> bool:
        return self._chunk.sums.rows >= times * CHUNK_ROWS or self._chunk.records >= times * CHUNK_RECORDS

    async def _compare(self, end: int) -> None:
        """Hold the chunk against what is stored of [its start, end); then begin the next there."""
        chunk, report = self._chunk, self._report
        stretch = self._stretch(self._chunk_start, end)
        self._chunk, self._chunk_start = Expected(), end
        report.records += chunk.records
        report.expect(chunk.sums)
        report.repeated_batches += chunk.repeated_batches
        report.dead_letters += len(chunk.dead_letters)
        report.left_out_rows += chunk.left_out_rows
        report.missing_dead_letters += await self._context.dead_letters.lacking(stretch.partition, chunk.dead_letters)
        stored = None if self._range_sums is None else self._range_sums.between(stretch.start, end)
        if (await self._context.audit.sums(stretch) if stored is None else stored) != chunk.sums:
            await self._enter_difference(chunk, stretch)
        if end < self._scope.stored_to and (
            stored is None or self._range_sums is None or end == self._range_sums.stretch.end
        ):
            await self._ask(chunk, stretch)

    async def _ask(self, chunk: Expected, stretch: RowSelection) -> None:
        """Have the store tell what it has after this stretch, which was the chunk's."""
        rest = self._stretch(stretch.end, self._scope.stored_to)
        rows = max(chunk.sums.rows, chunk.records)
        asked, width = next_question(rest, offsets=stretch.end - stretch.start, rows=rows, chunk_rows=CHUNK_ROWS)
        self._range_sums = RangeSums(asked, width, await self._context.audit.sums_by_range(asked, width))

    def _stretch(self, start: int, end: int) -> RowSelection:
        source, exclusions = self._scope.source, self._exclusions
        return RowSelection(source.log_id, source.partition, start, end, exclusions.since_ms, exclusions.purged_ahead)

    async def _enter_difference(self, chunk: Expected, stretch: RowSelection) -> None:
        lines = await self._context.audit.lines(stretch)
        # Read after the rows: a purge is written down before it removes any.
        exclusions = await self._context.exclusions(stretch.partition)
        stored = Counter(line for line in lines if not exclusions.has(line))
        expected = Counter(line for created_at, line in chunk.rows if not exclusions.has_created(created_at, line))
        missing = expected - stored
        self._report.differ(_by_offset(missing), _by_offset(stored - expected))
        if missing and self._context.repair is not None and self._report.trouble is None:
            changed = _by_offset(stored - expected).keys()  # what to make of those is the operator's to say
            whole = Counter({line: times for line, times in expected.items() if place_of_row(line)[1] not in changed})
            self._report.repaired += await self._context.repair(stretch, whole)

    async def _look_around(self) -> None:
        """What is stored before the judged range, and beyond what anybody can have inserted."""
        report, scope = self._report, self._scope
        before = self._stretch(0, report.judged_from)
        report.earlier_rows = await self._context.audit.row_count(before) if report.judged_from else 0
        if report.trouble in (ROWS_BEYOND.reason, OFFSET_BEYOND.reason):
            beyond = replace(self._stretch(scope.begun_to, NO_END), since_ms=0, purged_ahead=())
            report.surplus += await self._context.audit.row_count(beyond)


def _by_offset(lines: Counter[bytes]) -> Counter[int]:
    by_offset: Counter[int] = Counter()
    for line, times in lines.items():
        by_offset[place_of_row(line)[1]] += times
    return by_offset
