"""The steps of a series: a window cut at UTC days or hours, with what was counted in each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict

from siddes_telemetry.schemas.clamping import Interval
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

STEP_MS: Mapping[Interval, int] = {"day": DAY_MS, "hour": HOUR_MS}


class Step(TypedDict):
    """A step as it is answered: its first second, RFC 3339 in UTC, and the counts from there to the next."""

    start: str
    counts: dict[str, int]


def lay_out(
    found: Mapping[int, Mapping[str, int]], *, since_ms: int, now_ms: int, step_ms: int, registry: Registry
) -> list[Step]:
    """Every step from the one that holds `since_ms` to the one that holds `now_ms`, empty ones too, by time.

    `found` is what a CountReader found from `since_ms` or later on, by step. What is ahead of `now_ms`, as a gateway's
    clock may be, counts in the last step: the sums are the summary's.
    """
    starts = range(since_ms // step_ms * step_ms, now_ms + 1, step_ms)
    steps: dict[int, Counter[str]] = {start: Counter() for start in starts}
    for start, counts in found.items():
        steps[min(start, starts[-1])].update(counts)
    return [{"start": _utc(start), "counts": registry.in_order(counts)} for start, counts in steps.items()]


def _utc(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
