"""Clamping of `count` and `days`, and the default of `interval`."""

from __future__ import annotations

import pytest

from siddes_telemetry.schemas.clamping import clamp_count, clamp_days, interval_or_day


@pytest.mark.parametrize(
    ("value", "count"), [("3", 3), (3.9, 3), (True, 1), (None, 1), ("x", 1), (float("inf"), 1), (0, 1), (10**400, 50)]
)
def test_a_count_is_1_to_50_and_1_if_it_cannot_be_converted(value: object, count: int) -> None:
    assert clamp_count(value) == count


@pytest.mark.parametrize(
    ("value", "days"), [("3", 3), (None, 7), ("x", 7), ("", 7), ("0", 1), ("-1", 1), ("31", 30), (float("nan"), 7)]
)
def test_days_are_1_to_30_and_7_if_they_cannot_be_converted(value: object, days: int) -> None:
    assert clamp_days(value) == days


@pytest.mark.parametrize("value", [None, "", "day", "days", "Hour", "HOUR", " hour", "hours", "minute", 1, ["hour"]])
def test_an_interval_is_a_day_unless_it_is_the_word_hour(value: object) -> None:
    assert interval_or_day(value) == "day"
    assert interval_or_day("hour") == "hour"
