"""Reports that a partition waits for an operator: in the log output, in readiness and in metrics."""

from __future__ import annotations

import structlog

from siddes_telemetry.consumer.context import ConsumerContext, HaltedPartition
from siddes_telemetry.consumer.halt import Halt
from siddes_telemetry.consumer.partition_metrics import PartitionMetrics

HALT_RECHECK_S = 5.0  # how soon a removed cause is noticed


class HaltReporter:
    """One partition, while it is owned."""

    def __init__(self, partition: int, ctx: ConsumerContext, metrics: PartitionMetrics) -> None:
        self._partition = partition
        self._ctx = ctx
        self._metrics = metrics
        self._log = structlog.get_logger(__name__).bind(partition=partition)

    async def report_and_pause(self, halt: Halt, offset: int, *, more_remedy: str = "") -> None:
        """Report the halt, then sleep until the cause is to be checked again. Raises StopRequested.

        `more_remedy` is appended to the remedy in the log line.
        """
        if self._ctx.blocked_by.get(self._partition) != halt.reason:
            self._log.error("partition_halted", offset=offset, reason=halt.reason, remedy=halt.remedy + more_remedy)
        self._ctx.blocked_by[self._partition] = halt.reason
        self._metrics.set_halted(HaltedPartition(self._partition, offset, halt.reason))
        await self._ctx.pause(HALT_RECHECK_S)

    def clear(self) -> None:
        """The partition goes on."""
        self._ctx.blocked_by.pop(self._partition, None)
        self._metrics.clear_halted()
