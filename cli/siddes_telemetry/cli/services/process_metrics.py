"""Prometheus registries with the metrics that every process has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector

from siddes_telemetry.web.logs import count_suppressed_lines


def process_metrics() -> CollectorRegistry:
    """A registry with this process's memory, CPU time and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def service_metrics() -> CollectorRegistry:
    """`process_metrics` and the number of suppressed log lines.

    The parent of worker processes uses `process_metrics`: its page shows the number that the workers count.
    """
    registry = process_metrics()
    count_suppressed_lines(registry)
    return registry
