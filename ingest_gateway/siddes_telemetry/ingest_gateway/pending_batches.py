"""Client batches that wait for the log, and the record that is made of them. Pure but for those it answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from siddes_telemetry.schemas.request_bodies import EventCounts
from siddes_telemetry.web.reply_future import ReplyFuture

MAX_RECORD_BYTES = 512 * 1024  # half of Kafka's default 1 MiB: headers and a broker's own overhead still fit
MAX_RECORD_ROWS = 5_000  # 40 full records make a consumer's block of 200,000 rows
BATCH_OVERHEAD_BYTES = 1024  # what a waiting request takes besides its lines, so that many small ones are bounded too


@dataclass(slots=True, eq=False)
class PendingBatch:
    """One client batch and who waits for it. `deadline`: seconds on the committer's clock."""

    lines: bytes
    rows: int
    key: bytes
    counts: EventCounts
    reply: Any  # what the answer is where the lines are durable
    deadline: float
    answer: ReplyFuture[Any]
    cost: int  # bytes, as the cap counts them

    def settle(self) -> bool:
        """Say that it is durable; false if it was given up before, or its client has gone."""
        if self.answer.done():
            return False
        self.answer.set_result(self.reply)
        return True

    def refuse(self, error: BaseException) -> bool:
        """Say that it may not be; false as above."""
        if self.answer.done():
            return False
        self.answer.set_exception(error)
        return True


@dataclass(slots=True)
class GroupRecord:
    """What one append carries. `freed`: bytes of batches that were given up before they were sent."""

    batches: list[PendingBatch]
    value: bytes
    rows: int
    freed: int

    @property
    def cost(self) -> int:
        return sum(batch.cost for batch in self.batches)


def fill_record(queues: Iterable[deque[PendingBatch]]) -> GroupRecord:
    """Take batches from the queues, in order, into one record within its bounds; those given up are left out.

    A client batch is never split; one that is over the bounds by itself still goes, alone.
    """
    taken: list[PendingBatch] = []
    size = rows = freed = 0
    for queue in queues:
        while queue:
            batch = queue[0]
            if batch.answer.done():
                freed += queue.popleft().cost
                continue
            if taken and (size + len(batch.lines) > MAX_RECORD_BYTES or rows + batch.rows > MAX_RECORD_ROWS):
                break
            taken.append(queue.popleft())
            size += len(batch.lines)
            rows += batch.rows
    value = b"".join([batch.lines for batch in taken])
    for batch in taken:
        batch.lines = b""  # the value holds them now
    return GroupRecord(taken, value, rows, freed)
