"""Waiting for an operator: which record a partition waits at, and saying so for as long as it does."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from siddes_telemetry.consumer.context import ConsumerContext, HaltedPartition
from siddes_telemetry.consumer.delivery import StopRequested
from siddes_telemetry.consumer.partition_metrics import PartitionMetrics
from siddes_telemetry.consumer.recovery import Halt
from siddes_telemetry.schemas.record import LogRecord, halt_reason
from siddes_telemetry.schemas.registry import Registry

HALT_RECHECK_S = 5.0  # how soon a mended cause is noticed


def first_unreadable(records: Sequence[LogRecord], registry: Registry) -> tuple[int, str] | None:
    """(place, reason) of the first record that only another installation can read. Neighbours may share headers."""
    known = None
    for place, (_, _, _, headers, defect) in enumerate(records):
        if headers is not known or defect is not None:
            if (reason := halt_reason(records[place], registry)) is not None:
                return place, reason
            known = headers if defect is None else None  # of a record with a defect they were not looked at
    return None


class HaltReporter:
    """Of one partition, while it is owned."""

    def __init__(self, partition: int, ctx: ConsumerContext, figures: PartitionMetrics) -> None:
        self._partition = partition
        self._ctx = ctx
        self._figures = figures
        self._log = structlog.get_logger(__name__).bind(partition=partition)

    async def halt(self, halt: Halt, offset: int, *, way_out: str = "") -> None:
        """Report the halt, then pause until the next check. `way_out`: another remedy. Raises StopRequested."""
        if self._ctx.blocked_by.get(self._partition) != halt.reason:
            self._log.error("partition_halted", offset=offset, reason=halt.reason, remedy=halt.remedy + way_out)
        self._ctx.blocked_by[self._partition] = halt.reason
        self._figures.show_halt(HaltedPartition(self._partition, offset, halt.reason))
        await self._ctx.pause(HALT_RECHECK_S)
        if self._ctx.stopping.is_set():
            raise StopRequested

    def end(self) -> None:
        """It does not wait any more."""
        self._ctx.blocked_by.pop(self._partition, None)
        self._figures.end_halt()
