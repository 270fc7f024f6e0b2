"""Which batches are taken, and how many bytes of them are in flight.

A batch is refused at once where waiting is no use: the process drains, the log does not answer, or too many bytes wait.
Every refusal is a 503 (`unavailable`), and is counted by its reason.
"""

from __future__ import annotations

import asyncio

from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics, RefusalReason
from siddes_telemetry.ingest_gateway.partition_queue import Append, PartitionQueue
from siddes_telemetry.ingest_gateway.pending_batches import PendingBatch
from siddes_telemetry.schemas.errors import ApiError, ErrorCode


class Admission:
    """Admits batches up to a number of bytes."""

    def __init__(self, *, limit_bytes: int, partitions: int, metrics: GatewayMetrics) -> None:
        self._limit_bytes = limit_bytes
        self._partitions = partitions
        self._metrics = metrics
        self._draining = False
        self.hung_partitions = 0
        self.in_flight_bytes = 0
        self.empty = asyncio.Event()  # set while nothing is in flight
        self.empty.set()

    def admit(self, owner: PartitionQueue | None, size: int, cost: int) -> None:
        """Take a batch of `size` bytes that costs `cost`. `owner`: the partition of a keyed batch.

        Raises ApiError unavailable.
        """
        if self._draining:
            reason = RefusalReason.DRAINING
        elif owner.state is Append.HUNG if owner is not None else self.hung_partitions == self._partitions:
            reason = RefusalReason.LOG
        elif self.in_flight_bytes + size > self._limit_bytes:
            reason = RefusalReason.FULL
        else:
            self.in_flight_bytes += cost
            self.empty.clear()
            return
        self._metrics.refusals[reason].inc()
        raise ApiError(ErrorCode.unavailable)

    def refuse(self, batch: PendingBatch, reason: RefusalReason) -> None:
        """Give an admitted batch up, unless it has its reply."""
        if batch.fail(ApiError(ErrorCode.unavailable)):
            self._metrics.refusals[reason].inc()

    def release(self, cost: int) -> None:
        """Bytes of batches that are no longer in flight."""
        self.in_flight_bytes -= cost
        self._metrics.in_flight_bytes.set(self.in_flight_bytes)
        if self.in_flight_bytes == 0:
            self.empty.set()

    def stop(self) -> None:
        """Refuse every batch from now on: the process drains."""
        self._draining = True

    def count_hung(self, change: int) -> None:
        """One more (1) or one less (-1) partition hangs."""
        self.hung_partitions += change
        self._metrics.hung_partitions.set(self.hung_partitions)
