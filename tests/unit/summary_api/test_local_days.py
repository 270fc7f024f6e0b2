"""When days begin, where the clocks of a zone do something odd. tests/property/test_series.py has all zones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from siddes_telemetry.summary_api.local_days import day_starts_ms
from siddes_telemetry.summary_api.time_zones import time_zone


def starts(name: str, since: str, now: str) -> list[str]:
    """As the zone's clocks show them. `since` and `now` are UTC."""
    zone = time_zone(name)
    assert zone is not None
    since_ms, now_ms = (round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000) for at in (since, now))
    found = day_starts_ms(since_ms=since_ms, now_ms=now_ms, zone=zone)
    return [datetime.fromtimestamp(at_ms / 1000, zone).isoformat() for at_ms in found]


@pytest.mark.parametrize(
    ("name", "since", "now", "expected"),
    [
        pytest.param(
            *("Europe/Berlin", "2024-03-30T12:00", "2024-04-01T12:00"),
            ["2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"],
            id="23 hours",
        ),
        pytest.param(
            *("Europe/Berlin", "2024-10-26T12:00", "2024-10-28T12:00"),
            ["2024-10-26T00:00:00+02:00", "2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"],
            id="25 hours",
        ),
        pytest.param(
            *("Australia/Lord_Howe", "2024-10-05T12:00", "2024-10-06T14:00"),
            ["2024-10-05T00:00:00+10:30", "2024-10-06T00:00:00+10:30", "2024-10-07T00:00:00+11:00"],
            id="23 hours and a half",
        ),
        pytest.param(
            *("Asia/Kathmandu", "2026-11-22T18:14:59.999", "2026-11-22T18:15"),
            ["2026-11-22T00:00:00+05:45", "2026-11-23T00:00:00+05:45"],
            id="three quarters",
        ),
        pytest.param(
            *("America/Santiago", "2024-09-07T12:00", "2024-09-09T12:00"),
            ["2024-09-07T00:00:00-04:00", "2024-09-08T01:00:00-03:00", "2024-09-09T00:00:00-03:00"],
            id="no midnight in Santiago",
        ),
        pytest.param(
            *("Asia/Beirut", "2024-03-30T12:00", "2024-04-01T12:00"),
            ["2024-03-30T00:00:00+02:00", "2024-03-31T01:00:00+03:00", "2024-04-01T00:00:00+03:00"],
            id="no midnight in Beirut",
        ),
        pytest.param(
            *("America/Toronto", "1919-03-30T12:00", "1919-04-01T12:00"),
            ["1919-03-30T00:00:00-05:00", "1919-03-31T00:30:00-04:00", "1919-04-01T00:00:00-04:00"],
            id="half an hour on both sides of midnight is skipped",
        ),
        pytest.param(
            *("America/Havana", "2024-11-02T12:00", "2024-11-04T12:00"),
            ["2024-11-02T00:00:00-04:00", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00"],
            id="midnight twice",
        ),
        pytest.param(
            *("America/St_Johns", "2010-11-07T02:45", "2010-11-07T12:00"),
            ["2010-11-07T00:00:00-02:30"],
            id="a minute after midnight clocks show the day before again",
        ),
        pytest.param(
            *("America/St_Johns", "2010-11-06T12:00", "2010-11-07T02:45"),
            ["2010-11-06T00:00:00-02:30", "2010-11-07T00:00:00-02:30"],
            id="and the new day has begun all the same",
        ),
        pytest.param(
            *("Pacific/Apia", "2011-12-29T12:00", "2011-12-31T12:00"),
            ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"],
            id="a day that never was",
        ),
    ],
)
def test_a_day_begins_with_its_first_second(name: str, since: str, now: str, expected: list[str]) -> None:
    assert starts(name, since, now) == expected


@pytest.mark.parametrize(
    ("now", "number", "last"),
    [
        ("2026-11-22T22:59:59.999", 8, "2026-11-22T00:00:00+01:00"),
        ("2026-11-22T23:00:00.000", 8, "2026-11-23T00:00:00+01:00"),
        ("2026-11-22T23:00:00.001", 8, "2026-11-23T00:00:00+01:00"),
    ],
)
def test_the_window_includes_its_first_and_last_millisecond(now: str, number: int, last: str) -> None:
    since = now.replace("11-22", "11-15")
    found = starts("Europe/Berlin", since, now)
    assert (len(found), found[-1]) == (number, last)
    assert found[0] == last.replace("11-22", "11-15").replace("11-23", "11-16")
