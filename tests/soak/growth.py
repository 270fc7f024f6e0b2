"""What grows in a long run. Pure.

Memory of a healthy process moves: it rises at first, jumps when partitions come and go, and is noisy. So a series is
judged after a warm-up only, and grows without bound if all of these hold:

    its last tenth is higher than its first tenth by more than Bound.gain (medians)
    it rises by more than Bound.an_hour over all of that time
    it still does so in the second half: what has levelled off is no leak

A slope is that of Theil and Sen, the median of the slopes between all pairs of points: faults that last for less than
a quarter of the time do not move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from statistics import median

WARM_UP_S = 1200.0  # the retry windows are full after ten minutes; the heap has settled after as much again
LEAST_JUDGED_S = 1200.0  # a slope an hour of less than a third of one says nothing
HOUR_S = 3600.0
MOST_POINTS = 150  # of which all pairs are compared
TENTHS = 10

Point = tuple[float, float]  # seconds since the start, value


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a series may rise an hour, and the gain below which nothing is said."""

    an_hour: float
    gain: float


class Verdict(Enum):
    """What is said about a series."""

    STEADY = "steady"
    GROWS = "**grows**"
    NOT_JUDGED = "run too short"
    NO_BOUND = "-"  # it may grow


@dataclass(frozen=True, slots=True)
class Growth:
    """Medians of the first and the last tenth, the highest point, and the slope."""

    first: float
    last: float
    highest: float
    an_hour: float
    verdict: Verdict


def growth(points: Sequence[Point], bound: Bound | None) -> Growth:
    """Judge a series. Its times ascend; there is at least one point.

    A run that is too short for a warm-up is described from its start, and not judged.
    """
    after = [point for point in points if point[0] >= WARM_UP_S]
    long_enough = len(after) > TENTHS and after[-1][0] - after[0][0] >= LEAST_JUDGED_S
    described = after if long_enough else points
    tenth = max(1, len(described) // TENTHS)
    first, last = (median(value for _, value in part) for part in (described[:tenth], described[-tenth:]))
    an_hour = slope_an_hour(described)
    if bound is None:
        verdict = Verdict.NO_BOUND
    elif not long_enough:
        verdict = Verdict.NOT_JUDGED
    else:
        late = slope_an_hour(described[len(described) // 2 :])
        grows = last - first > bound.gain and an_hour > bound.an_hour and late > bound.an_hour
        verdict = Verdict.GROWS if grows else Verdict.STEADY
    return Growth(first, last, max(value for _, value in points), an_hour, verdict)


def slope_an_hour(points: Sequence[Point]) -> float:
    """The slope of Theil and Sen; 0 for a single point."""
    slopes = [
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for sooner, later in combinations(_thinned(points), 2)
        if later[0] > sooner[0]
    ]
    return median(slopes) * HOUR_S if slopes else 0.0


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most MOST_POINTS: medians of as many points each."""
    size = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)] if size else []
    return [(median(at for at, _ in group), median(value for _, value in group)) for group in groups]
