"""Partitions whose records do not come although the log has them: remembered through the lives of a member."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import TopicPartition

from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics


class StalledPartitions:
    """From the suspicion until records flow again, or there are none, or the partition is another member's."""

    def __init__(self, metrics: KafkaGroupMetrics) -> None:
        self._metrics = metrics
        self._stalled: set[TopicPartition] = set()

    def __bool__(self) -> bool:
        return bool(self._stalled)

    def add(self, partition: TopicPartition) -> None:
        """Its fetch waits, and the log has records for it."""
        self._replace(self._stalled | {partition})

    def discard(self, partition: TopicPartition) -> None:
        """Its records flow, or there are none."""
        if partition in self._stalled:
            self._replace(self._stalled - {partition})

    def keep_only(self, assigned: Collection[TopicPartition]) -> None:
        """The others are no longer this member's."""
        self._replace(self._stalled & set(assigned))

    def _replace(self, stalled: set[TopicPartition]) -> None:
        self._stalled = stalled
        self._metrics.stalled_partitions.set(len(stalled))
