"""The metrics of the consumer. Labels are partition numbers and words of our own only."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siddes_telemetry.consumer.freshness import FreshnessHistogram

BLOCK_ROWS_BUCKETS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 200_000)
INSERT_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ConsumerMetrics:
    """One instance a process. Rows a second is the rate of `rows_stored`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"siddes_consumer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"siddes_consumer_{name}", text, ("partition",), registry=registry)

        self.rows_stored = counter(
            "rows_stored",
            "Rows that the store confirmed to this process, each block once. A block whose owner died before its end "
            "was committed is confirmed to, and counted by, the next owner too.",
        )
        self.counts_stored = counter("counts_stored", "Sum of the counts of rows_stored.")
        self.records_stored = counter(
            "records_stored", "Log records of confirmed blocks: their counts are stored, dropped or dead-lettered."
        )
        self.block_rows = Histogram(
            "siddes_consumer_block_rows", "Rows of a block.", buckets=BLOCK_ROWS_BUCKETS, registry=registry
        )
        self.insert_seconds = Histogram(
            "siddes_consumer_insert_seconds",
            "From the start of a confirmed insert to its confirmation.",
            buckets=INSERT_SECONDS_BUCKETS,
            registry=registry,
        )
        self.freshness = FreshnessHistogram()
        registry.register(self.freshness)
        self.insert_failures = counter(
            "insert_failures",
            "Inserts that were not confirmed, and questions before them without an answer, by what the store said.",
            "reason",
        )
        self.recoveries = counter("recoveries", "Partitions taken over, by what was found.", "found")
        self.replayed_rows = counter(
            "replayed_rows", "Rows inserted again under their token after a recovery or lapse."
        )
        self.lease_lapses = counter("lease_lapses", "Intents committed again because the insert did not start in time.")
        self.spent_tokens = counter(
            "spent_tokens",
            "Blocks whose token the store knew and whose rows it lacked, after a crash of it: inserted anew.",
        )
        self.repeated_batches = counter("repeated_batches", "Client retries dropped.")
        self.repeated_rows = counter("repeated_rows", "Rows of dropped client retries.")
        self.repeated_counts = counter("repeated_counts", "Sum of the counts of repeated_rows.")
        self.reclocked_rows = counter(
            "reclocked_rows", "Rows stored with their append time, because the clock of their gateway was off."
        )
        self.dead_letters = counter("dead_letters", "Records that could not be read.", "reason")
        self.lost_records = counter("lost_records", "Records that the log dropped before they were stored.")
        self.stalls = counter("stalls", "Partitions given up because their task stalled for no known reason.")
        self.retry_keys_evicted = counter("retry_keys_evicted", "Keys that the cap evicted from the retry window.")
        self.read_backs = counter(
            "read_backs", "Times the retry window was rebuilt: from the journal, the log, or both.", "source"
        )
        self.read_back_bytes = counter(
            "read_back_bytes", "Bytes of notes, or of the log's values, read to rebuild it.", "source"
        )
        self.bad_notes = counter("bad_notes", "Notes in the journal that this version cannot read.")
        self.retry_keys = gauge("retry_keys", "Client batches in the retry window.")
        self.lag_records = gauge("lag_records", "Records in the log that are not stored yet.")
        self.lag_seconds = gauge(
            "lag_seconds",
            "Age of the oldest record that is not stored, one that halts the partition too; 0 if none. Of one that is "
            "not fetched yet, as before a takeover ends: how long this process has waited for it.",
        )
        self.halted = gauge("halted", "1 while the partition waits for an operator.")
        self.halt_offset = Gauge(
            "siddes_consumer_halt_offset",
            "The offset at which a partition waits for an operator.",
            ("partition", "reason"),
            registry=registry,
        )
        self.partitions_owned = Gauge(
            "siddes_consumer_partitions_owned", "Partitions that this process has in the group.", registry=registry
        )
