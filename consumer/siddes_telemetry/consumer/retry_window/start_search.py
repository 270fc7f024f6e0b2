"""Where reading must begin so that everything of the ten minutes before a record is known.

The log's times alone cannot tell: its clock may leap and step back. So offsets are tried, further and further back.
From each the log is read in order, and what was read tells whether that was enough. If clocks only go forward, the
first offset is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS

# Offsets before the hint. The last of them is over ten minutes old, some may have no record, and where records are a
# minute or more apart these are ten minutes.
MARGIN_OFFSETS = 16
FIRST_STEP_OFFSETS = 1024  # how far to go back where times give no hint, or one that was not enough

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StartSearch:
    """The search for the start of the ten minutes before offset `target`.

    `log_start`: the first offset that the log still has.
    `hint`: the first offset appended within the ten minutes, as the log reports it. Exact for Kafka; for the embedded
    log where times never step back, as they never did while it was written in format 1.
    `times_rise`: append times mostly rise from the hint to `target`. Otherwise a clock has leapt or was set back, and
    the hint may lie far too early.
    """

    log_start: int
    target: int
    hint: int
    times_rise: bool

    def candidates(self, *, by_max_time: bool) -> Iterator[int]:
        """Offsets to begin at: the nearest first, `log_start` last. `by_max_time`: none after the hint."""
        begin = self.hint - MARGIN_OFFSETS if self.times_rise or by_max_time else self.target - FIRST_STEP_OFFSETS
        while begin > self.log_start:
            yield begin
            begin = self.target - max(FIRST_STEP_OFFSETS, 2 * (self.target - begin))
        yield min(self.log_start, self.target)

    def is_by_time(self, begin: int) -> bool:
        """Whether this candidate follows from the hint."""
        return self.times_rise and begin >= self.hint - MARGIN_OFFSETS


async def search_start(view: PartitionView, target: int, at_ms: int) -> StartSearch:
    """The search for a record at offset `target`, appended at `at_ms`. Raises LogUnavailable."""
    log_start, _ = await view.bounds()
    try:
        hint, future = [
            target if found is None else min(found, target)
            for found in (await view.offset_at(at_ms - WINDOW_MS), await view.offset_at(at_ms + 1))
        ]
    except LogUnavailable:  # a broker reads records to answer, and some may be too much for it
        log.warning("append_times_unknown", partition=view.number)
        return StartSearch(log_start, target, log_start, times_rise=False)
    return StartSearch(log_start, target, hint, times_rise=target - future <= future - hint)
