"""Prometheus registries with the metrics that every process has."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics

from siddes_telemetry.cli.version import installed_version
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web.logs import count_suppressed_lines


def process_metrics(registry: Registry) -> CollectorRegistry:
    """The metrics of this process: memory, CPU time, open files, wall clock, version and revision of its `registry`."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; it would add an unread series to each counter
    metrics = CollectorRegistry()
    ProcessCollector(registry=metrics)
    Gauge(
        "siddes_clock_timestamp_seconds",
        "The wall clock of this process when it was asked, as a Unix time.",
        registry=metrics,
    ).set_function(time.time)
    Gauge(
        "siddes_build_info",
        "1: the version of this process, and the revision of its event registry.",
        ("version", "registry_revision"),
        registry=metrics,
    ).labels(installed_version(), str(registry.revision)).set(1)
    return metrics


def service_metrics(registry: Registry) -> CollectorRegistry:
    """`process_metrics` and the number of suppressed log lines.

    The parent of worker processes uses `process_metrics`: its page shows the number that the workers count.
    """
    metrics = process_metrics(registry)
    count_suppressed_lines(metrics)
    return metrics
