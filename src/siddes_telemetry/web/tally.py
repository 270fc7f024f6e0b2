"""Counting on the hot path: what one turn of the event loop counts is told to prometheus-client at its end.

A histogram's buckets have no public way in but one value at a time: its privates are used here and held by a test.
"""
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from bisect import bisect_left

from prometheus_client import Counter, Gauge, Histogram


class Tally:
    """Adds up. A metric's own `inc` takes a lock, and in a worker it writes to a file; under load a turn of the loop
    has dozens of requests, and tells each metric once. Whoever reads the metrics in a later turn sees all of it.
    """

    def __init__(self) -> None:
        self._sums: dict[Counter | Gauge, float] = {}
        self._values: dict[Histogram, list[float]] = {}

    def add(self, metric: Counter | Gauge, amount: float = 1.0) -> None:
        """Within a running event loop."""
        sums = self._sums
        if metric in sums:
            sums[metric] += amount
            return
        if not sums:
            asyncio.get_running_loop().call_soon(self._tell)
        sums[metric] = amount

    def observe(self, histogram: Histogram, value: float) -> None:
        """As `add`."""
        values = self._values
        if histogram in values:
            values[histogram].append(value)
            return
        if not values:
            asyncio.get_running_loop().call_soon(self._tell_values)
        values[histogram] = [value]

    def _tell(self) -> None:
        sums, self._sums = self._sums, {}
        for metric, amount in sums.items():
            metric.inc(amount)

    def _tell_values(self) -> None:
        histograms, self._values = self._values, {}
        for histogram, values in histograms.items():
            bounds: list[float] = histogram._upper_bounds
            counts: dict[int, int] = {}
            for value in values:
                bucket = bisect_left(bounds, value)
                counts[bucket] = counts.get(bucket, 0) + 1
            for bucket, count in counts.items():
                histogram._buckets[bucket].inc(count)
            histogram._sum.inc(sum(values))
