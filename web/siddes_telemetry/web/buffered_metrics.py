"""Metrics of the hot path: summed up in plain numbers, and passed to prometheus-client when the metrics are read.

prometheus-client has no public API to add to a histogram's buckets but one value at a time; its private attributes are
used here, and a test checks that the result is the same.
"""
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

FLUSH_INTERVAL_S = 0.1  # for a worker, whose metrics files another process reads


class BufferedMetrics(Collector):
    """Increments and observations since the last flush.

    A metric's own `inc` takes a lock, and in a worker it writes to a file: for the metrics of one request, that takes
    longer than its authentication. Create this object before the metrics that it flushes into: collectors are read in
    the order of their registration, so a reading then finds everything in the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sums: dict[Counter | Gauge, float] = {}
        self._values: dict[Histogram, list[float]] = {}
        self._flush_scheduled = False
        registry.register(self)

    def increment(self, metric: Counter | Gauge, amount: float = 1.0) -> None:
        """Call this in a running event loop."""
        try:
            self._sums[metric] += amount
        except KeyError:
            self._sums[metric] = amount
            if not self._flush_scheduled:
                self._schedule_flush()

    def observe(self, histogram: Histogram, value: float) -> None:
        try:
            self._values[histogram].append(value)
        except KeyError:
            self._values[histogram] = [value]
            if not self._flush_scheduled:
                self._schedule_flush()

    def flush(self) -> None:
        """Pass everything on to the metrics."""
        sums, self._sums = self._sums, {}
        for metric, amount in sums.items():
            metric.inc(amount)
        histograms, self._values = self._values, {}
        for histogram, values in histograms.items():
            _observe_all(histogram, values)

    def collect(self) -> Iterable[Metric]:
        """Flush; it has no metrics of its own."""
        self.flush()
        return ()

    def describe(self) -> Iterable[Metric]:
        return ()

    def _schedule_flush(self) -> None:
        self._flush_scheduled = True
        asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self._flush_on_timer)

    def _flush_on_timer(self) -> None:
        self._flush_scheduled = False
        self.flush()


def _observe_all(histogram: Histogram, values: list[float]) -> None:
    bounds: list[float] = histogram._upper_bounds
    counts: dict[int, int] = {}
    for value in values:
        bucket = bisect_left(bounds, value)
        counts[bucket] = counts.get(bucket, 0) + 1
    for bucket, count in counts.items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(sum(values))
