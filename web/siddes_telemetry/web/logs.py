"""Structured logs: JSON lines on standard error, without any value from outside.

Our own lines hold numbers and fixed words. Of an exception, they hold its class and its place in the code, but never
its text, which may quote a request. Of a library's line, they hold only that there was one: its text may contain an
address or a record.
"""

from __future__ import annotations

import atexit
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TextIO, cast

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as CounterMetric
from structlog.typing import EventDict, WrappedLogger

from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.log_rate_limit import LogRateLimit

LIBRARY_LINE_INTERVAL_S = 10.0


def configure(level: str, *, libraries: bool = True) -> None:
    """For the whole process; called once, by cli. `level` is one of logging's names, in any case.

    `libraries`: whether to log that a library logged something.
    """
    limit = LogRateLimit()
    atexit.register(limit.report_suppressed)
    structlog.configure(
        processors=[
            limit,  # first: a suppressed line costs nothing more
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_exception_text,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = LibraryLogHandler() if libraries else logging.NullHandler()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def count_suppressed_lines(registry: CollectorRegistry) -> None:
    """Count this process's suppressed lines in its metrics. Call it after `configure`."""
    metric = CounterMetric("siddes_log_lines_left_out", "Lines beyond ten a second of a kind.", registry=registry)
    for limit in _log_rate_limits():
        limit.count_suppressed_in(metric)


def report_suppressed_lines() -> None:
    """Report what was not reported yet. For an exit that runs no exit handlers."""
    for limit in _log_rate_limits():
        limit.report_suppressed()


def _log_rate_limits() -> list[LogRateLimit]:
    return [each for each in structlog.get_config()["processors"] if isinstance(each, LogRateLimit)]


class LossyStream:
    """A stream whose errors, as on a full disk, lose lines but stop nothing.

    The number of lost lines is written before the next line that succeeds.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> int:
        """The number of characters written: all, or none."""
        try:
            if self._lost:
                self._stream.write(json.dumps({"event": "log_lines_lost", "lines": self._lost}) + "\n")
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._lost += 1
            return 0
        self._lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing to do: `write` flushes."""


def without_exception_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces exc_info by the exception's class and place, and drops keys that could hold its text or a stack."""
    exc_info = event.pop("exc_info", None)
    for key in ("exception", "stack", "stack_info"):
        event.pop(key, None)
    if exc_info:
        exc = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
        if isinstance(exc_info, tuple):
            exc = exc_info[1]
        if exc is not None:
            event["error"] = type(exc).__name__
            event["at"] = code_location(exc)
    return event


class LibraryLogHandler(logging.Handler):
    """Logs that a library (aiohttp, aiokafka, clickhouse-connect, asyncio, Python's warnings) logged something.

    Writes at most one line per logger and severity in LIBRARY_LINE_INTERVAL_S, with the number of lines suppressed
    since: during an outage drivers write dozens a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._written_at: dict[tuple[str, str], float] = {}
        self._suppressed: Counter[tuple[str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.name, record.levelname)
        now = self._clock()
        if kind in self._written_at and now - self._written_at[kind] < LIBRARY_LINE_INTERVAL_S:
            self._suppressed[kind] += 1
            return
        self._written_at[kind] = now
        structlog.get_logger(record.name).log(
            record.levelno,
            "library_warning",
            logger=record.name,
            severity=record.levelname,
            left_out=self._suppressed.pop(kind, 0),
        )
