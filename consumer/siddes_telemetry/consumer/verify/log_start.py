"""The beginning of a trimmed log: which of its records may repeat batches that the log has dropped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from siddes_telemetry.consumer.retry_window.log_clock import LogClock
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS
from siddes_telemetry.schemas.record import LogRecord, uses_max_append_time


class LogStart:
    """Goes along with the log's records, from its first on."""

    def __init__(self, *, trimmed: bool) -> None:
        self._over = not trimmed
        self._clock = LogClock()

    def divide(self, records: Sequence[LogRecord]) -> Iterator[tuple[bool, Sequence[LogRecord]]]:
        """The next records in order, by whether they can be judged: more than ten minutes lie before those.

        That is by the clock that each goes by, so one that cannot may come after one that can.
        """
        if self._over:
            yield True, records
            return
        for certain, run in groupby(records, self._is_certain):
            yield certain, list(run)

    def _is_certain(self, record: LogRecord) -> bool:
        clock = self._clock
        clock.advance(record.appended_at_ms)
        passed = clock.elapsed_ms > WINDOW_MS
        passed_by_highest = clock.max_append_ms - clock.first_ms > WINDOW_MS
        self._over = passed and passed_by_highest
        return passed and (passed_by_highest or not uses_max_append_time(record.headers))
