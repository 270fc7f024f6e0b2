"""The start of a trimmed log: which of its records may repeat batches that the log has dropped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from siddes_telemetry.consumer.retry_window.log_clock import LogClock
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.record_formats import uses_max_append_time


class LogStart:
    """Follows the records from the log's first one on, until the retry window has passed by both clocks."""

    def __init__(self, *, trimmed: bool) -> None:
        self._passed = not trimmed
        self._clock = LogClock()

    def divide(self, records: Sequence[LogRecord]) -> Iterator[tuple[bool, Sequence[LogRecord]]]:
        """Yields the next records in order, in runs of certain ones (True) and uncertain ones (False).

        A record is certain if the retry window has passed since the log's start by the clock of the record's format.
        So an uncertain record may follow a certain one.
        """
        if self._passed:
            yield True, records
            return
        for certain, run in groupby(records, self._is_certain):
            yield certain, list(run)

    def _is_certain(self, record: LogRecord) -> bool:
        clock = self._clock
        clock.advance(record.appended_at_ms)
        by_elapsed = clock.elapsed_ms > WINDOW_MS
        by_max_append = clock.max_append_ms - clock.first_ms > WINDOW_MS
        self._passed = by_elapsed and by_max_append
        return by_elapsed and (by_max_append or not uses_max_append_time(record.headers))
