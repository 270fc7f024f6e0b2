"""Counting on the hot path: what one turn of the event loop counts is told to prometheus-client at its end."""

from __future__ import annotations

import asyncio

from prometheus_client import Counter, Gauge


class Tally:
    """Adds up. A metric's own `inc` takes a lock, and in a worker it writes to a file; under load a turn of the loop
    has dozens of requests, and tells each metric once. Whoever reads the metrics in a later turn sees all of it.
    """

    def __init__(self) -> None:
        self._sums: dict[Counter | Gauge, float] = {}

    def add(self, metric: Counter | Gauge, amount: float = 1.0) -> None:
        """Within a running event loop."""
        sums = self._sums
        if metric in sums:
            sums[metric] += amount
            return
        if not sums:
            asyncio.get_running_loop().call_soon(self._tell)
        sums[metric] = amount

    def _tell(self) -> None:
        sums, self._sums = self._sums, {}
        for metric, amount in sums.items():
            metric.inc(amount)
