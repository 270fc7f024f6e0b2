"""Sizes as people read them."""

from __future__ import annotations

MB = 1_000_000
GB = 1_000_000_000


def format_bytes(size: int) -> str:
    """Returns a size as people read it."""
    return f"{size / GB:,.1f} GB" if size >= GB else f"{size / MB:,.1f} MB"
