"""Numbers as people read them."""

from __future__ import annotations

import pytest

from siddes_telemetry.cli.sizes import count_text, number_text, size_text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows"), (10**9, "1,000,000,000 rows")],
)
def test_one_thing_is_singular(number: int, text: str) -> None:
    assert count_text(number, "row") == text


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (99.94, "99.9"), (100, "100"), (1234567, "1,234,567")])
def test_numbers_have_three_digits_or_are_whole(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(("size", "text"), [(999, "999 B"), (1000, "1 KB"), (1.5e9, "1.5 GB"), (2e18, "2,000 PB")])
def test_sizes_have_decimal_units(size: float, text: str) -> None:
    assert size_text(size) == text
