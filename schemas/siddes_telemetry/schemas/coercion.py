"""Lenient fields, never an error: `count` and `days` are coerced as Python's int() would and clamped, and an
`interval` is `hour` or else `day`.
"""

from __future__ import annotations

from typing import Literal

MIN_COUNT, MAX_COUNT = 1, 50
MIN_DAYS, MAX_DAYS, DEFAULT_DAYS = 1, 30, 7
Interval = Literal["day", "hour"]


def coerce_count(value: object) -> int:
    """A count of 1..50: `"3"` is 3, 3.9 is 3, true is 1; what int() refuses (infinity, null, a list) is 1."""
    return _clamped_int(value, MIN_COUNT, MIN_COUNT, MAX_COUNT)


def coerce_days(value: object) -> int:
    """A window of 1..30 days; what int() refuses, or nothing at all, is 7."""
    return _clamped_int(value, DEFAULT_DAYS, MIN_DAYS, MAX_DAYS)


def coerce_interval(value: object) -> Interval:
    """The steps of a series: days, unless hours are asked for in exactly that word."""
    return "hour" if value == "hour" else "day"


def _clamped_int(value: object, default: int, lowest: int, highest: int) -> int:
    try:
        number: int = int(value)  # type: ignore[call-overload]  # refusing is int()'s part
    except (TypeError, ValueError, OverflowError):
        return default
    return max(lowest, min(highest, number))
