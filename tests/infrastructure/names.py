"""Names that no other test uses."""

from __future__ import annotations

from uuid import uuid4


def fresh(stem: str) -> str:
    """`stem` and twelve random hex digits: legal as a topic, a consumer group and a database without quotes."""
    return f"{stem}_{uuid4().hex[:12]}"
