"""The metrics of the Kafka backend. Labels hold our own words only."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class KafkaAppenderMetrics:
    """Metrics of a KafkaAppender."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rebuilds = Counter(
            "siddes_kafka_producer_rebuilds", "Producers given up after an error and made anew", registry=registry
        )


class KafkaGatewayMetrics(KafkaAppenderMetrics):
    """Metrics of the KafkaAppender of counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.leaderless_partitions = Gauge(
            "siddes_kafka_leaderless_partitions",
            "Partitions that have no leader",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.under_replicated_partitions = Gauge(
            "siddes_kafka_under_replicated_partitions",
            "Partitions of which a replica is not in sync",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def set_troubles(self, leaderless: int, under_replicated: int) -> None:
        """Show how many partitions are in which trouble."""
        self.leaderless_partitions.set(leaderless)
        self.under_replicated_partitions.set(under_replicated)


class KafkaDeadLetterMetrics(KafkaAppenderMetrics):
    """Metrics of KafkaDeadLetters and their producer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.emptied = Counter(
            "siddes_kafka_dead_letters_emptied",
            "Dead letters too large to be kept: only their size is",
            registry=registry,
        )


class KafkaGroupMetrics:
    """Metrics of a KafkaGroupConsumer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rebalances = Counter("siddes_kafka_rebalances", "Assignments received from the group", registry=registry)
        self.rejoins = Counter(
            "siddes_kafka_rejoins", "Times this member left its group to come back anew", ["reason"], registry=registry
        )
        self.stalled_partitions = Gauge(
            "siddes_kafka_stalled_partitions",
            "Partitions whose records do not come although the log has them",
            registry=registry,
        )
        self.commits = Counter(
            "siddes_kafka_commits", "Offset commits by their outcome", ["outcome"], registry=registry
        )
