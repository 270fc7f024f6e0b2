"""Timestamps in their text form, and the lengths of an hour and a day. Pure.

A timestamp is UTC epoch milliseconds as a number, and `2026-11-22 10:00:00.123` as text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS

_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}")


@lru_cache(maxsize=4096)  # records close to each other in a log share their milliseconds
def format_time(epoch_ms: int) -> str:
    """`2026-11-22 10:00:00.123`, UTC: the one text form that chDB and a ClickHouse server both parse the same way."""
    seconds, millis = divmod(epoch_ms, 1000)
    return f"{_format_second(seconds)}.{millis:03d}"


@lru_cache(maxsize=64)
def _format_second(epoch_s: int) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S}"


@lru_cache(maxsize=4096)  # as above
def parse_time(text: str) -> int:
    """The epoch milliseconds of a text of `format_time`. Raises ValueError."""
    if _TEXT.fullmatch(text) is None:
        raise ValueError("not a time of the form YYYY-MM-DD hh:mm:ss.mmm")
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
