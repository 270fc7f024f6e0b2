"""A rate limit for log lines of one kind: clients can cause log lines at any rate."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from threading import RLock, Timer

import structlog
from prometheus_client import Counter as CounterMetric
from structlog.typing import EventDict, WrappedLogger

LINES_PER_S = 10  # of one kind, in any second: enough to see what happens, too few to fill a disk
REPORT_AFTER_S = 1.0  # from the first suppressed line until the number of suppressed lines is logged

_LEVELS = logging.getLevelNamesMapping()


class LogRateLimit:
    """A structlog processor that passes the first lines of a kind and counts the others.

    A kind is an event name, a level, and an HTTP status if the line has one. A timer logs how many lines were
    suppressed, also when no more come. Any thread may log.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, report_after_s: float = REPORT_AFTER_S) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._report_after_s = report_after_s
        self._lock = RLock()  # reentrant: the garbage collector may log in the middle of this
        self._passed_at: dict[tuple[str, str, int | None], deque[float]] = {}
        self._suppressed: Counter[str] = Counter()
        self._level = logging.NOTSET  # the highest of the suppressed lines, so that the summary is not filtered
        self._timer: Timer | None = None
        self._counted: CounterMetric | None = None

    def __call__(self, _logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Raises structlog.DropEvent to suppress the line."""
        name, status = str(event["event"]), event.get("status")
        now = self._clock()
        with self._lock:
            passed_at = self._passed_at.setdefault((name, level, status), deque(maxlen=LINES_PER_S))
            if len(passed_at) < LINES_PER_S or now - passed_at[0] >= 1.0:
                passed_at.append(now)
                return event
            self._suppressed[name if status is None else f"{name} {status}"] += 1
            self._level = max(self._level, _LEVELS[level.upper()])
            if self._timer is None:
                self._schedule_report()
        raise structlog.DropEvent

    def count_suppressed_in(self, metric: CounterMetric) -> None:
        """Count suppressed lines in this metric too, whenever they are reported."""
        self._counted = metric

    def report_suppressed(self) -> None:
        """Log how many lines were suppressed since the last report, if any were."""
        with self._lock:
            kinds, self._suppressed = dict(self._suppressed), Counter()
            level, self._level = self._level, logging.NOTSET
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if kinds:
            lines = sum(kinds.values())
            if self._counted is not None:
                self._counted.inc(lines)
            structlog.get_logger(__name__).log(level, "lines_left_out", lines=lines, kinds=kinds)

    def _schedule_report(self) -> None:
        timer = Timer(self._report_after_s, self.report_suppressed)
        timer.daemon = True
        with suppress(RuntimeError):  # no thread can start: the next suppressed line, or the exit, tries again
            timer.start()
            self._timer = timer
