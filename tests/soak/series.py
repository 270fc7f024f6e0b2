"""The figures that a soak run watches: their names, units and bounds; and what was seen of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.soak.growth import Bound, Growth, Point, growth

MEMORY, DESCRIPTORS, THREADS, SERIES = "memory, MB", "descriptors", "threads", "metric series"
RATE, FAILING = "requests answered 200 a second", "requests that failed a second"
POST_P50, POST_P99, READ_P99 = "POST p50, ms", "POST p99, ms", "summary p99, ms"
LAG, FRESHNESS, RETRY_KEYS = "lag, s", "freshness (mean), s", "keys in the retry windows"
PARTS, MERGES, ROWS = "parts of the counts, active", "merges under way", "rows in the store"
LOG_MB, STORE_MB, COUNTS_MB = "log on disk (all replicas), MB", "store on disk, MB", "parts of the counts, MB"
OLD_ROWS, LOG_DROPPED = "old rows in the store", "records that the log has dropped"

# Of the processes that live through the whole run. A leak is seen in an hour if it is of 3 KB a second.
OF_A_PROCESS = {
    MEMORY: Bound(an_hour=10, gain=8),
    DESCRIPTORS: Bound(an_hour=8, gain=16),  # a connection to every broker may come and go
    THREADS: Bound(an_hour=2, gain=4),
    SERIES: Bound(an_hour=40, gain=80),  # a fault adds the series of its reasons, once
}
OF_ALL = {  # answer times are those of the machine, which others may use: they are shown, and not judged
    LAG: Bound(an_hour=2, gain=2),
    FRESHNESS: Bound(an_hour=2, gain=2),
    PARTS: Bound(an_hour=60, gain=60),  # ClickHouse merges: some dozens a day that is open
}

Sample = Mapping[str, float]


@dataclass
class Watched:
    """All points by name. `lasting` are the processes that live through the whole run: only these are judged."""

    lasting: frozenset[str]
    points: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))

    def add(self, at_s: float, sample: Sample) -> None:
        """Keep what was seen at this time."""
        for name, value in sample.items():
            self.points[name].append((at_s, value))

    def growths(self) -> dict[str, Growth]:
        """By name."""
        return {name: growth(points, self._bound(name)) for name, points in self.points.items()}

    def _bound(self, name: str) -> Bound | None:
        process, _, what = name.partition(": ")
        if not what:
            return OF_ALL.get(name)
        return OF_A_PROCESS.get(what) if process in self.lasting else None


def of(process: str, what: str) -> str:
    """The name of a figure of one process."""
    return f"{process}: {what}"
