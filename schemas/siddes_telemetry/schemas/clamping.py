"""Clamps `count` and `days`, and defaults `interval`: no value of these fields is an error.

Numbers are converted as by Python's int(), then clamped to their range.
"""

from __future__ import annotations

from typing import Literal

MIN_COUNT, MAX_COUNT = 1, 50
MIN_DAYS, MAX_DAYS, DEFAULT_DAYS = 1, 30, 7
Interval = Literal["day", "hour"]


def clamp_count(value: object) -> int:
    """A count of 1..50: `"3"` is 3, 3.9 is 3, true is 1. What int() refuses (infinity, null, a list) is 1."""
    return _clamped_int(value, MIN_COUNT, MIN_COUNT, MAX_COUNT)


def clamp_days(value: object) -> int:
    """A window of 1..30 days. What int() refuses, and None, is 7."""
    return _clamped_int(value, DEFAULT_DAYS, MIN_DAYS, MAX_DAYS)


def interval_or_day(value: object) -> Interval:
    """The step of a series: `hour` if the value is exactly that word, else `day`."""
    return "hour" if value == "hour" else "day"


def _clamped_int(value: object, default: int, lowest: int, highest: int) -> int:
    try:
        number: int = int(value)  # type: ignore[call-overload]  # int() itself refuses what it cannot convert
    except (TypeError, ValueError, OverflowError):
        return default
    return max(lowest, min(highest, number))
