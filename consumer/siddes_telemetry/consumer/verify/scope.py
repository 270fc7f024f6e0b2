"""Which offsets of a partition `verify` reads and judges, by the group's committed offset and intent."""

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
    """The offsets [read_from, in_doubt_to) are read. regions.py says what is done with which of them."""

    view: PartitionView
    source: Source
    read_from: int
    judge_from: int
    stored_to: int  # the committed offset
    in_doubt_to: int  # the end of the block in doubt; `stored_to` without one
    set_aside: SetAside | None  # the block in doubt, if it is to be set aside
    trimmed: bool  # the log has dropped records: what follows may repeat batches of theirs

    @property
    def length(self) -> int:
        """The number of offsets to be read."""
        return max(0, self.in_doubt_to - self.read_from)


async def scope_of(
    view: PartitionView, source: Source, *, origin: int, from_ms: int | None, last_stored: int | None
) -> tuple[Scope, PartitionReport]:
    """Returns the scope for the group's state now, and a report with what that state says.

    `from_ms`: judge the records appended at about that time or later; None: all. `last_stored`: the last offset with
    stored rows, read before this call. Raises LogUnavailable.
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
    in_doubt_to = min(limit, end)
    stored_to = min(state.offset, end)
    judge_from = read_from = first
    if from_ms is not None:
        judge_from = max(first, await _offset_at(view, from_ms, end))
        read_from = await _window_start(view, judge_from, from_ms) if judge_from < in_doubt_to else judge_from
    trimmed = first > origin and read_from == first
    report.log_begins, report.judged_from = first, min(judge_from, stored_to)
    report.judged_to, report.lag = stored_to, end - in_doubt_to
    set_aside = SetAside(state.offset, limit) if state.aside else None
    return Scope(view, source, read_from, judge_from, stored_to, in_doubt_to, set_aside, trimmed), report


async def _offset_at(view: PartitionView, from_ms: int, end: int) -> int:
    """Returns where the records of that time begin, or 0 where the log cannot tell."""
    try:
        found = await view.offset_at(from_ms)
    except LogUnavailable:
        return 0
    return end if found is None else found


async def _window_start(view: PartitionView, judge_from: int, from_ms: int) -> int:
    """Returns where the retry window of `judge_from` begins, by the clock of every record format."""
    search = await search_start(view, judge_from, from_ms)
    for begin in search.candidates(by_max_time=True):
        clock = LogClock()
        try:
            async for fetched in view.read(begin, judge_from + 1):
                for record in fetched:
                    clock.advance(record.appended_at_ms)
        except RecordsGone:  # the log was trimmed meanwhile: reading from its old start will raise this again
            return search.log_start
        if clock.elapsed_ms > WINDOW_MS:
            return begin
    return min(search.log_start, judge_from)
