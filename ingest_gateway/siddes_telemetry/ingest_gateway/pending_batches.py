"""A client batch that waits for the log, and the record that is made of many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from siddes_telemetry.ingest_gateway.limits import MAX_RECORD_BYTES, MAX_RECORD_ROWS
from siddes_telemetry.schemas.request_bodies import EventCounts
from siddes_telemetry.web.reply_future import ReplyFuture


@dataclass(slots=True, eq=False)
class PendingBatch:
    """One client batch, and the future that its request waits for."""

    lines: bytes
    rows: int
    key: bytes
    counts: EventCounts
    reply: Any  # the future's result once the lines are durable
    deadline: float  # seconds on GroupCommit's clock
    future: ReplyFuture[Any]
    cost: int  # bytes in flight, with BATCH_OVERHEAD_BYTES

    def confirm(self) -> bool:
        """Reply that the lines are durable. False: the batch was given up before, or its client has gone."""
        if self.future.done():
            return False
        self.future.set_result(self.reply)
        return True

    def fail(self, error: BaseException) -> bool:
        """Reply that the lines may not be durable. False as above."""
        if self.future.done():
            return False
        self.future.set_exception(error)
        return True


@dataclass(slots=True)
class GroupRecord:
    """The batches of one append, and the record's value."""

    batches: list[PendingBatch]
    value: bytes
    rows: int
    abandoned_cost: int  # of batches that were left out

    @property
    def cost(self) -> int:
        return sum(batch.cost for batch in self.batches)


def fill_record(queues: Iterable[deque[PendingBatch]]) -> GroupRecord:
    """Move batches from the queues, in order, into one record within its limits.

    Batches that were given up are left out. A batch is never split: one that exceeds the limits goes alone.
    """
    taken: list[PendingBatch] = []
    size = rows = abandoned_cost = 0
    for queue in queues:
        while queue:
            batch = queue[0]
            if batch.future.done():
                abandoned_cost += queue.popleft().cost
                continue
            if taken and (size + len(batch.lines) > MAX_RECORD_BYTES or rows + batch.rows > MAX_RECORD_ROWS):
                break
            taken.append(queue.popleft())
            size += len(batch.lines)
            rows += batch.rows
    value = b"".join([batch.lines for batch in taken])
    for batch in taken:
        batch.lines = b""  # the value holds them now
    return GroupRecord(taken, value, rows, abandoned_cost)
