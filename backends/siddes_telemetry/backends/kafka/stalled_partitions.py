"""The partitions whose records do not arrive although the log has them; remembered from one member to the next."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import TopicPartition

from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics


class StalledPartitions:
    """A partition is in it from the first suspicion until its records arrive, it has none, or it is reassigned."""

    def __init__(self, metrics: KafkaGroupMetrics) -> None:
        self._metrics = metrics
        self._stalled: set[TopicPartition] = set()

    def __bool__(self) -> bool:
        return bool(self._stalled)

    def mark(self, partition: TopicPartition) -> None:
        """Its fetch waits, and the log has records for it."""
        self._replace(self._stalled | {partition})

    def clear(self, partition: TopicPartition) -> None:
        """Its records arrive, or it has none."""
        if partition in self._stalled:
            self._replace(self._stalled - {partition})

    def keep_only(self, assigned: Collection[TopicPartition]) -> None:
        """The others are no longer assigned to this member."""
        self._replace(self._stalled & set(assigned))

    def _replace(self, stalled: set[TopicPartition]) -> None:
        self._stalled = stalled
        self._metrics.stalled_partitions.set(len(stalled))
