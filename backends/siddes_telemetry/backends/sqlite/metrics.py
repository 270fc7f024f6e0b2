"""What the embedded log counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class SqliteTrimMetrics:
    """What became of trimming."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "siddes_log_records_trimmed", "Stored records that the log let go after a day.", registry=registry
        )
        self.dead_letters = Counter(
            "siddes_log_dead_letters_trimmed", "Dead letters that the log let go after 30 days.", registry=registry
        )
        self.failures = Counter(
            "siddes_log_trim_failures", "Times that the log could not be trimmed: it grows.", registry=registry
        )
