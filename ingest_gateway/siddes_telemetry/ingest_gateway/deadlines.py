"""Deadlines of group commit: gives up batches that waited too long, and detects appends that hang.

One timer serves all: it is set to the earliest time at which something is due, and everything is looked at then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

import structlog

from siddes_telemetry.ingest_gateway.admission import Admission
from siddes_telemetry.ingest_gateway.limits import TIMER_SLACK_S
from siddes_telemetry.ingest_gateway.metrics import RefusalReason
from siddes_telemetry.ingest_gateway.partition_queue import Append, PartitionQueue
from siddes_telemetry.ingest_gateway.pending_batches import GroupRecord, PendingBatch

log = structlog.get_logger(__name__)


class Timer(Protocol):
    """A call that was scheduled."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """A monotonic clock in seconds, and calls at its times: an asyncio event loop is one."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer: ...


class Deadlines:
    """Watches over the batches of all queues and the appends of all partitions."""

    def __init__(
        self,
        timers: Timers,
        *,
        deadline_s: float,
        partitions: Sequence[PartitionQueue],
        unkeyed: deque[PendingBatch],
        admission: Admission,
        then: Callable[[], None],
    ) -> None:
        """`then` is called after each look: batches that were delayed may go now."""
        self._timers = timers
        self._deadline_s = deadline_s
        self._partitions = partitions
        self._unkeyed = unkeyed
        self._admission = admission
        self._then = then
        self._timer: Timer | None = None
        self.due_at = inf  # when the timer calls

    def look_by(self, when: float) -> None:
        """Look at this time, or before."""
        if self.due_at <= when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.due_at = self._timers.call_at(when, self._look), when

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def answered_late(self, partition: PartitionQueue, after_s: float) -> None:
        """The append of a hung partition was answered."""
        self._admission.count_hung(-1)
        log.warning("append_answered_late", partition=partition.number, after_s=round(after_s, 1))

    def _look(self) -> None:
        self._timer, self.due_at = None, inf
        now = self._timers.time() + TIMER_SLACK_S
        for queue in (self._unkeyed, *(partition.waiting for partition in self._partitions)):
            self._expire(queue, now)
        for partition in self._partitions:
            if partition.record is not None:
                self._check_append(partition, partition.record, now)
        self._then()

    def _expire(self, queue: deque[PendingBatch], now: float) -> None:
        """Give up the batches of a queue that were not sent in time."""
        while queue and queue[0].deadline <= now:  # the oldest is first
            batch = queue.popleft()
            self._admission.refuse(batch, RefusalReason.DEADLINE)
            self._admission.release(batch.cost)
        if queue:
            self.look_by(queue[0].deadline)

    def _check_append(self, partition: PartitionQueue, record: GroupRecord, now: float) -> None:
        """Give up the batches in flight that are past their deadline, and mark an append that hangs."""
        for batch in record.batches:
            if batch.deadline <= now:
                self._admission.refuse(batch, RefusalReason.DEADLINE)
            elif not batch.future.done():
                self.look_by(batch.deadline)
        hangs_at = partition.sent_at + self._deadline_s
        if hangs_at > now:
            self.look_by(hangs_at)
        elif partition.state is not Append.HUNG:
            partition.state = Append.HUNG
            self._admission.count_hung(1)
            log.warning("append_hangs", partition=partition.number, deadline_s=self._deadline_s)
