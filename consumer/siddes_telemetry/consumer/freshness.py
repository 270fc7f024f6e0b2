"""How old counts are when they are stored, as a histogram over rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, float("inf"))


class FreshnessHistogram(Collector):
    """`siddes_consumer_freshness_seconds`: a record's rows are observed at once, which prometheus-client's has not."""

    def __init__(self) -> None:
        self._rows = [0] * len(BUCKETS_S)
        self._sum_s = 0.0

    def observe(self, age_s: float, rows: int) -> None:
        """`rows` rows were accepted `age_s` before they were stored."""
        self._rows[bisect_left(BUCKETS_S, age_s)] += rows
        self._sum_s += age_s * rows

    def collect(self) -> Iterable[Metric]:
        bounds = [floatToGoString(bound) for bound in BUCKETS_S]  # type: ignore[no-untyped-call]  # it has no types
        buckets = list(zip(bounds, map(float, accumulate(self._rows)), strict=True))
        return (
            HistogramMetricFamily(
                "siddes_consumer_freshness_seconds",
                "From the append of a row's record to the log, which is when it is answered 200, to its being stored.",
                buckets=buckets,
                sum_value=self._sum_s,
            ),
        )
