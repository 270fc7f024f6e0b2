"""Which records `verify` may judge: each record lies in one region of the log. Pure.

    region      offsets                         rows in the store     the records
    HISTORY     [read_from, judge_from)         not compared          advance the retry window
    UNCERTAIN   ten minutes of a trimmed log    not compared          advance it; judging starts after them
    JUDGED      [judge_from, stored_to)         exactly these         advance it, and are compared
    IN_DOUBT    [stored_to, in_doubt_to)        all, some or none     advance it; their rows are counted

HISTORY only shows which client batches occurred. UNCERTAIN records may repeat batches that the log has dropped
(log_start.py); they may also lie between judged ones. IN_DOUBT is the block that the group's intent names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from operator import attrgetter

from siddes_telemetry.consumer.verify.log_start import LogStart
from siddes_telemetry.consumer.verify.scope import Scope
from siddes_telemetry.schemas.record import LogRecord

_offset = attrgetter("offset")


class Region(Enum):
    """See the module's table."""

    HISTORY = auto()
    UNCERTAIN = auto()
    JUDGED = auto()
    IN_DOUBT = auto()


class Regions:
    """Assigns the records of one partition, which must be given in log order."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._log_start = LogStart(trimmed=scope.trimmed)

    def divide(self, records: Sequence[LogRecord]) -> Iterator[tuple[Region, Sequence[LogRecord]]]:
        """Yields the next records in order, in runs of one region. No run is empty."""
        for certain, run in self._log_start.divide(records):
            if certain:
                yield from self._divide_certain(run)
            else:
                yield Region.UNCERTAIN, run

    def _divide_certain(self, records: Sequence[LogRecord]) -> Iterator[tuple[Region, Sequence[LogRecord]]]:
        judged = split_at(records, self._scope.judge_from)
        in_doubt = max(judged, split_at(records, self._scope.stored_to))
        for region, run in (
            (Region.HISTORY, records[:judged]),
            (Region.JUDGED, records[judged:in_doubt]),
            (Region.IN_DOUBT, records[in_doubt:]),
        ):
            if run:
                yield region, run


def split_at(records: Sequence[LogRecord], offset: int) -> int:
    """Returns the index of the first record at `offset` or after it."""
    return bisect_left(records, offset, key=_offset)
