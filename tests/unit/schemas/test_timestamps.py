"""Timestamps as text and back."""

from __future__ import annotations

import pytest

from siddes_telemetry.schemas.timestamps import format_time, parse_time

AT_MS = 1_795_341_600_123


def test_times_are_utc_text_and_back() -> None:
    assert format_time(AT_MS) == "2026-11-22 10:00:00.123"
    assert parse_time("2026-11-22 10:00:00.123") == AT_MS


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00.123",
        "2026-11-22 10:00:00",
        "2026-11-22 10:00:00.1234",
        "2026-02-30 10:00:00.123",
        "2026-11-22 25:00:00.123",
        "2026-11-22 10:00:60.123",
        "\u0662026-11-22 10:00:00.123",
        " 2026-11-22 10:00:00.12",
        "2026-11-22 10:00:00.123\n",
    ],
)
def test_other_texts_are_not_timestamps(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)
