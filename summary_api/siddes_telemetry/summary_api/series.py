"""The steps of a series: where a window is split, and which counts each step has. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TypedDict

from siddes_telemetry.schemas.clamping import Interval
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

STEP_MS: Mapping[Interval, int] = {"day": DAY_MS, "hour": HOUR_MS}


class Step(TypedDict):
    """A step of the response (api_models.SeriesStep): its first second as RFC 3339, and its counts."""

    start: str
    counts: dict[str, int]


def utc_starts_ms(*, since_ms: int, now_ms: int, step_ms: int) -> Sequence[int]:
    """The starts of the UTC steps from the one that contains `since_ms` to the one that contains `now_ms`, in order."""
    return range(since_ms // step_ms * step_ms, now_ms + 1, step_ms)


def steps(
    starts_ms: Sequence[int],
    found: Iterable[tuple[int, Mapping[str, int]]],
    *,
    registry: Registry,
    zone: tzinfo = UTC,
) -> list[Step]:
    """A step for each start, empty ones included, with times as clocks in `zone` show them.

    `found` are counts, each with a time from the first start on: they go into the step that contains it. Counts dated
    after now, by a gateway whose clock is ahead, are in the last step, so that the sums equal the summary's.
    """
    sums: list[Counter[str]] = [Counter() for _ in starts_ms]
    for at_ms, counts in found:
        sums[bisect_right(starts_ms, at_ms) - 1].update(counts)
    return [
        {"start": _rfc_3339(start_ms, zone), "counts": registry.in_order(counts)}
        for start_ms, counts in zip(starts_ms, sums, strict=True)
    ]


def _rfc_3339(epoch_ms: int, zone: tzinfo) -> str:
    text = datetime.fromtimestamp(epoch_ms // 1000, zone).isoformat()
    return text.replace("+00:00", "Z") if zone is UTC else text
