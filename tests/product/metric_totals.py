"""Sums of metrics over all processes of a deployment."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.product.process import ServiceProcess


class MetricTotals:
    """The samples of several /metrics pages."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    @classmethod
    async def of(cls, session: aiohttp.ClientSession, processes: Iterable[ServiceProcess]) -> MetricTotals:
        """Read each admin port."""
        samples: list[Sample] = []
        for process in processes:
            async with session.get(f"{process.admin}/metrics") as answer:
                assert answer.status == 200
                page = await answer.text()
            samples += [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return cls(samples)

    def sum(self, name: str, **labels: str) -> float:
        """Returns the sum of the series with this name and these labels. Fails if there is none."""
        found = [s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()]
        assert found, f"no series of {name}"
        return sum(found)

    def by(self, label: str, name: str) -> dict[str, float]:
        """Returns the sums by the value of a label, without zeros."""
        sums: dict[str, float] = {}
        for sample in self._samples:
            if sample.name == name and sample.value:
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + sample.value
        return sums
