"""The gateway's metrics. Label values are names of our own and event names of the registry only."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.request_bodies import EventCounts
from siddes_telemetry.web.buffered_metrics import BufferedMetrics


class RefusalReason(StrEnum):
    """Why a batch was answered 503."""

    DEADLINE = "deadline"  # the log did not answer in time
    FULL = "full"  # too many bytes are in flight
    LOG = "log"  # the log refused the record, or its append hangs
    DRAINING = "draining"  # this process stops


class AppendOutcome(StrEnum):
    """How an append ended."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    ERROR = "error"  # an exception other than the log port's: a defect


class GatewayMetrics:
    """Every series is created at the start, so that a scrape shows zeros instead of gaps."""

    def __init__(self, registry: CollectorRegistry, events: Registry) -> None:
        self.buffered = BufferedMetrics(registry)
        accepted = Counter("siddes_events_accepted", "Sum of the counts answered 200.", ["event"], registry=registry)
        reports = Counter(
            "siddes_event_reports", "How many times an event was answered 200.", ["event"], registry=registry
        )
        rejected = Counter(
            "siddes_events_rejected", "Events of an accepted batch that were not taken.", ["error"], registry=registry
        )
        refusals = Counter("siddes_commit_refusals", "Commits answered 503.", ["reason"], registry=registry)
        appends = Counter("siddes_appends", "Records that the log answered.", ["outcome"], registry=registry)
        names = [event.name for event in events.in_use]
        self.accepted = {name: accepted.labels(name) for name in names}
        self.reports = {name: reports.labels(name) for name in names}
        self.rejected = {
            code: rejected.labels(code.name) for code in (ErrorCode.invalid_event, ErrorCode.unexpected_field)
        }
        self.refusals = {reason: refusals.labels(reason) for reason in RefusalReason}
        self.appends = {outcome: appends.labels(outcome) for outcome in AppendOutcome}
        self.rows_appended = Counter(
            "siddes_rows_appended",
            "Lines of the records that the log has, answered to anybody or not.",
            registry=registry,
        )
        self.append_seconds = Histogram(
            "siddes_append_seconds",
            "From sending a record to the log's answer.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.record_rows = Histogram(
            "siddes_record_rows",
            "Lines of a record.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
            registry=registry,
        )
        self.record_bytes = Histogram(
            "siddes_record_bytes",
            "Bytes of a record's value.",
            buckets=tuple(128 * 4**power for power in range(7)),  # 128 B to 512 KiB
            registry=registry,
        )
        self.in_flight_bytes = Gauge(
            "siddes_in_flight_bytes",
            "Bytes that wait for the log.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.hung_partitions = Gauge(
            "siddes_hung_partitions",
            "Partitions whose append has been silent for longer than the deadline.",
            registry=registry,
            multiprocess_mode="livemax",
        )

        self.log_partitions = Gauge(
            "siddes_log_partitions",
            "Partitions of the log that this gateway writes to.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def accept(self, batches: Iterable[EventCounts]) -> None:
        """Count batches that were answered 200. Summed up first: a record has many reports of few events."""
        sums: dict[str, int] = {}
        reports: dict[str, int] = {}
        for counts in batches:
            for event, count in counts.sums.items():
                sums[event] = sums.get(event, 0) + count
                reports[event] = reports.get(event, 0) + counts.reports[event]
        for event, count in sums.items():
            self.buffered.increment(self.accepted[event], count)
            self.buffered.increment(self.reports[event], reports[event])
