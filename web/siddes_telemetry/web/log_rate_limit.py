"""No kind of line comes more than ten times a second: anybody can send what costs a line, as often as they like."""

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

LINES_PER_S = 10  # of one kind, in whatever second: enough to see what happens, too little to fill a disk
REPORT_AFTER_S = 1.0  # from the first line left out until it is said how many were

_LEVELS = logging.getLevelNamesMapping()


class LogRateLimit:
    """A structlog processor that lets the first lines of a kind pass and counts the rest.

    A kind is an event of ours, at a level, with an HTTP status if it has one. How many lines were left out is said by a
    timer, so also when the flood is over. Any thread may log.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, report_after_s: float = REPORT_AFTER_S) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._report_after_s = report_after_s
        self._lock = RLock()  # what is collected in the middle of this may log
        self._passed_at: dict[tuple[str, str, int | None], deque[float]] = {}
        self._suppressed: Counter[str] = Counter()
        self._level = logging.NOTSET  # the highest of what was left out: a summary is not to be filtered
        self._timer: Timer | None = None
        self._counted: CounterMetric | None = None

    def __call__(self, _logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Raises structlog.DropEvent for a line too many."""
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
        """Have what is left out from now on counted there too, when it is said."""
        self._counted = metric

    def report_suppressed(self) -> None:
        """Say what was left out since it was last said, if anything was."""
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
        with suppress(RuntimeError):  # no room for a thread: the next line left out, or the end, tries again
            timer.start()
            self._timer = timer
