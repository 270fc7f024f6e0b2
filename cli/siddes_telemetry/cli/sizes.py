"""Numbers and sizes as people read them, at three significant digits. Pure."""

from __future__ import annotations

_UNITS = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def number_text(value: float) -> str:
    """With separators."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  # three digits


def size_text(size: float) -> str:
    """Bytes in decimal units."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{number_text(size / unit)} {name}"
    return f"{number_text(size)} B"
