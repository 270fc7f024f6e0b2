"""What of a partition is to be verified: where its reading begins, and how far the group says it has come."""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import LogUnavailable, RecordsGone
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, ROWS_BEYOND, UNKNOWN_INTENT
from siddes_telemetry.consumer.intent import GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.retry_window.log_clock import LogClock
from siddes_telemetry.consumer.retry_window.start_search import search_start
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.verify.report import PartitionReport


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a partition is to be read, and how far the group is with it.

    [read_from, stored_to) must be stored, apart from its beginning, which only says which batches occurred;
    [stored_to, begun_to) may be, as an intent says.
    """

    view: PartitionView
    source: Source
    read_from: int
    judge_from: int
    stored_to: int
    begun_to: int
    aside: SetAside | None  # what is begun is to be set aside
    trimmed: bool  # the log begins later than it did: its first ten minutes may repeat what is gone

    @property
    def length(self) -> int:
        """Offsets to be read."""
        return max(0, self.begun_to - self.read_from)


async def scope_of(
    view: PartitionView, source: Source, *, origin: int, from_ms: int | None, last_stored: int | None
) -> tuple[Scope, PartitionReport]:
    """The group's state now, and what follows from it. `last_stored` was read before that. Raises LogUnavailable.

    `from_ms`: verify from about what was appended then on, or all there is.
    """
    report = PartitionReport(view.number)
    committed = await view.committed()
    first, end = await view.bounds()
    try:
        state = GroupState(first) if committed is None else decode_state(committed.offset, committed.metadata)
    except UnknownIntentError:
        state = GroupState(first if committed is None else committed.offset)
        report.trouble = UNKNOWN_INTENT.reason
    limit = state.intent_end or state.offset
    if limit > end:
        report.trouble = OFFSET_BEYOND.reason
    elif last_stored is not None and last_stored >= limit:
        report.trouble = ROWS_BEYOND.reason
    begun_to = min(limit, end)
    stored_to = min(state.offset, end)
    judge_from = read_from = first
    if from_ms is not None:
        judge_from = max(first, await _about(view, from_ms, end))
        read_from = await _ten_minutes_before(view, judge_from, from_ms) if judge_from < begun_to else judge_from
    trimmed = first > origin and read_from == first
    report.log_begins, report.judged_from = first, min(judge_from, stored_to)
    report.judged_to, report.lag = stored_to, end - begun_to
    aside = SetAside(state.offset, limit) if state.aside else None
    return Scope(view, source, read_from, judge_from, stored_to, begun_to, aside, trimmed), report


async def _about(view: PartitionView, from_ms: int, end: int) -> int:
    """Where records of that time begin; the log's beginning where it cannot tell."""
    try:
        found = await view.offset_at(from_ms)
    except LogUnavailable:
        return 0
    return end if found is None else found


async def _ten_minutes_before(view: PartitionView, judge_from: int, from_ms: int) -> int:
    """Where to begin reading, to know all that records from `judge_from` on may repeat, of whichever format."""
    search = await search_start(view, judge_from, from_ms)
    for begin in search.candidates(by_max_time=True):
        clock = LogClock()
        try:
            async for piece in view.read(begin, judge_from + 1):
                for record in piece:
                    clock.advance(record.appended_at_ms)
        except RecordsGone:  # the log was trimmed meanwhile: whoever reads from there will notice
            return search.log_start
        if clock.elapsed_ms > WINDOW_MS:
            return begin
    return min(search.log_start, judge_from)
