"""Numbers, sizes and numbers of things as people read them. Pure."""

from __future__ import annotations

_UNITS = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def number_text(value: float) -> str:
    """With separators, at three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  # three digits


def count_text(number: int, thing: str) -> str:
    """`1 row`, `2,000 rows`: a whole number of things, named in the singular."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def size_text(size: float) -> str:
    """Bytes in decimal units, at three significant digits."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{number_text(size / unit)} {name}"
    return f"{number_text(size)} B"
