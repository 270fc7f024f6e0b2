"""The steps of a series: splits a window at UTC days or hours, and puts the counts into the steps. Pure."""

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
    """A step of the response (api_models.SeriesStep): its first second as RFC 3339 in UTC, and its counts."""

    start: str
    counts: dict[str, int]


def steps_of_window(
    counts_by_step: Mapping[int, Mapping[str, int]], *, since_ms: int, now_ms: int, step_ms: int, registry: Registry
) -> list[Step]:
    """All steps from the one that contains `since_ms` to the one that contains `now_ms`, in order, empty ones included.

    `counts_by_step` is the result of CountReader.counts_by_step, read from `since_ms` or later. Counts dated after
    `now_ms`, by a gateway whose clock is ahead, go into the last step, so that the sums equal the summary's.
    """
    starts = range(since_ms // step_ms * step_ms, now_ms + 1, step_ms)
    steps: dict[int, Counter[str]] = {start: Counter() for start in starts}
    for start, counts in counts_by_step.items():
        steps[min(start, starts[-1])].update(counts)
    return [{"start": _rfc_3339(start), "counts": registry.in_order(counts)} for start, counts in steps.items()]


def _rfc_3339(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
