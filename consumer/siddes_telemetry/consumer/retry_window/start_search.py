"""Where reading has to begin so that all is known that occurred in the ten minutes before a record.

How far back that is in offsets cannot be told from the log's times alone, which may leap and step back. So places are
tried, further and further back: from each the log is read in order, and what was read tells whether it was enough.
With clocks that only go on, the first place is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS

# Offsets before the one that the log's times name. The last of them is over ten minutes old, some may be no records,
# and where records are a minute or more apart these are ten minutes.
MARGIN_OFFSETS = 16
FIRST_STEP_OFFSETS = 1024  # offsets to go back where times name none, or too few

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StartSearch:
    """Of records before `start`, in a log that begins at `first`.

    `hint`: the first offset appended within the ten minutes before, as the log reports it. Exact for Kafka; for the
    embedded log where times never step back, as they never did while it was written in format 1.
    `times_rise`: times mostly rise from there to `start`; else a clock has leapt or was set back, and the hint may lie
    far too early.
    """

    log_start: int
    target: int
    hint: int
    times_rise: bool

    def candidates(self, *, by_max_time: bool) -> Iterator[int]:
        """Where to begin: the nearest first, the last is `first`. `by_max_time`: at or before the hint in any case."""
        begin = self.hint - MARGIN_OFFSETS if self.times_rise or by_max_time else self.target - FIRST_STEP_OFFSETS
        while begin > self.log_start:
            yield begin
            begin = self.target - max(FIRST_STEP_OFFSETS, 2 * (self.target - begin))
        yield min(self.log_start, self.target)

    def is_by_time(self, begin: int) -> bool:
        """Whether this place goes by the log's times."""
        return self.times_rise and begin >= self.hint - MARGIN_OFFSETS


async def search_start(view: PartitionView, start: int, at_ms: int) -> StartSearch:
    """What the log says of the ten minutes before a record at `start`, appended at `at_ms`. Raises LogUnavailable."""
    first, _ = await view.bounds()
    try:
        hint, future = [
            start if found is None else min(found, start)
            for found in (await view.offset_at(at_ms - WINDOW_MS), await view.offset_at(at_ms + 1))
        ]
    except LogUnavailable:  # a broker reads records to answer, and some may be too much for it
        log.warning("append_times_unknown", partition=view.number)
        return StartSearch(first, start, first, times_rise=False)
    return StartSearch(first, start, hint, times_rise=start - future <= future - hint)
