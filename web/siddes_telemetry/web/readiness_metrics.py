"""Readiness as a metric: which checks fail, and why."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from siddes_telemetry.web.readiness import OK, Readiness


class ReadinessMetrics(Collector):
    """`siddes_not_ready`, from the latest report: a series for each check that fails."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        report = self._readiness.latest
        for check, text in ({} if report is None else report.checks).items():
            if text != OK:
                reason, _, _remedy = text.partition(":")
                family.add_metric((check, reason), 1)
        return (family,)

    def describe(self) -> Iterable[Metric]:
        return (self._family(),)

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "siddes_not_ready",
            "1 while a readiness check fails, by the word that /readyz says; no series for one that passes.",
            labels=("check", "reason"),
        )
