"""Time zones: the names of the package tzdata, exactly, and nothing else."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.summary_api.routes import requested_zone
from siddes_telemetry.summary_api.time_zones import time_zone, zone_names


def test_every_name_has_a_zone_of_that_name() -> None:
    assert len(zone_names()) > 500
    assert {name for name in zone_names() if (zone := time_zone(name)) is None or zone.key != name} == set()


def test_a_zone_is_loaded_once_and_without_the_systems_files(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = time_zone("Europe/Berlin")
    assert zone is not None
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)
    assert zone is time_zone("Europe/Berlin")
    assert zone is not zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("", None),
        ("Tz=Europe/Berlin", None),
        ("days=3&tz=Europe/Berlin&interval=day", "Europe/Berlin"),
        ("tz=Europe%2FBerlin", "Europe/Berlin"),
        ("tz=Asia/Calcutta", "Asia/Calcutta"),
        ("tz=America/Argentina/ComodRivadavia", "America/Argentina/ComodRivadavia"),
        ("tz=Etc/GMT%2B5", "Etc/GMT+5"),
        ("tz=UTC", "UTC"),
        ("tz=UTC&tz=Europe/Berlin", "UTC"),
    ],
)
def test_the_first_tz_names_the_zone(query: str, key: str | None) -> None:
    zone = requested_zone(query)
    assert (zone and zone.key) == key


@pytest.mark.parametrize(
    "value",
    [
        "",
        "europe/berlin",
        "Europe/Berlin%20",
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Etc/GMT+5",  # a space, in a query string
        "../zones",
        "../../etc/passwd",
        "America/../Europe/Berlin",
        "posix/Europe/Berlin",
        "right/UTC",
        "localtime",
        "posixrules",
        "zone.tab",
        "__init__.py",
        "%00",
        "Europe/Berlin%00",
        "%ff",
        "%2B01:00",
        "CET-1CEST",
        "E" * 5000,
    ],
)
def test_any_other_name_is_refused(value: str) -> None:
    for query in (f"tz={value}", f"tz={value}&tz=UTC"):
        with pytest.raises(ApiError) as raised:
            requested_zone(query)
        assert raised.value.code is ErrorCode.invalid_zone


def test_what_is_refused_is_not_kept() -> None:
    for number in range(1000):
        assert time_zone(f"Europe/Berlin{number}") is None
    from siddes_telemetry.summary_api import time_zones

    assert time_zones._loaded.cache_info().currsize <= len(zone_names())


def test_utc_is_utc() -> None:
    zone = time_zone("UTC")
    assert zone is not None
    assert datetime(2026, 7, 1, tzinfo=zone) == datetime(2026, 7, 1, tzinfo=UTC)
