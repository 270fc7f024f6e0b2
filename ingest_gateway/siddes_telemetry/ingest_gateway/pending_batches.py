"""Client batches that wait for the log, and the record that is made of them. Pure but for those it answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from siddes_telemetry.schemas.bodies import Counts
from siddes_telemetry.web.reply_future import Pending

MAX_RECORD_BYTES = 512 * 1024  # half of Kafka's default 1 MiB: headers and a broker's own overhead still fit
MAX_RECORD_ROWS = 5_000  # 40 full records make a consumer's block of 200,000 rows
WAITER_BYTES = 1024  # what a waiting request takes besides its lines, so that many small ones are bounded too


@dataclass(slots=True, eq=False)
class Waiter:
    """One client batch and who waits for it. `deadline`: seconds on the committer's clock."""

    lines: bytes
    rows: int
    key: bytes
    counts: Counts
    receipt: Any  # what the answer is where the lines are durable
    deadline: float
    answer: Pending[Any]
    cost: int  # bytes, as the cap counts them

    def settle(self) -> bool:
        """Say that it is durable; false if it was given up before, or its client has gone."""
        if self.answer.done():
            return False
        self.answer.set_result(self.receipt)
        return True

    def refuse(self, error: BaseException) -> bool:
        """Say that it may not be; false as above."""
        if self.answer.done():
            return False
        self.answer.set_exception(error)
        return True


@dataclass(slots=True)
class FormedRecord:
    """What one append carries. `freed`: bytes of waiters that were given up before they were sent."""

    waiters: list[Waiter]
    value: bytes
    rows: int
    freed: int

    @property
    def cost(self) -> int:
        return sum(waiter.cost for waiter in self.waiters)


def form(queues: Iterable[deque[Waiter]]) -> FormedRecord:
    """Take waiters from the queues, in order, into one record within its bounds; those given up are left out.

    A client batch is never split; one that is over the bounds by itself still goes, alone.
    """
    taken: list[Waiter] = []
    size = rows = freed = 0
    for queue in queues:
        while queue:
            waiter = queue[0]
            if waiter.answer.done():
                freed += queue.popleft().cost
                continue
            if taken and (size + len(waiter.lines) > MAX_RECORD_BYTES or rows + waiter.rows > MAX_RECORD_ROWS):
                break
            taken.append(queue.popleft())
            size += len(waiter.lines)
            rows += waiter.rows
    value = b"".join([waiter.lines for waiter in taken])
    for waiter in taken:
        waiter.lines = b""  # the value holds them now
    return FormedRecord(taken, value, rows, freed)
