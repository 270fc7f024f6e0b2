"""Limits how many requests to the app run at a time. The others wait for a slot, by priority.

Within a priority the first to come is served first, as long as that serves everybody in time. Under overload it would
make everybody wait until their time-out. So once the longest wait is over half of the time-out, the last to come is
served first: new requests are answered at once, or not at all ("adaptive LIFO").

    state      event                                    next       does
    waiting    a slot is free for its priority          running    takes the slot
    waiting    `wait_s` is over, or the queue is full   -          raises NoSlot; a full queue drops its longest wait
    waiting    cancelled                                -          leaves the queue, or gives back a slot just taken
    running    the context ends                         -          gives the slot to the next
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

_Waiter = tuple[asyncio.Future[bool], float]  # whether it got a slot; since when it waits, by the loop's clock


class NoSlot(Exception):
    """No slot was free in time, or too many others wait."""


class Priority(Enum):
    """Who gets a free slot first."""

    KNOWN = 0
    UNKNOWN = 1


class ConcurrencyLimiter:
    """`slots` contexts at a time; the last `reserved` free ones are for Priority.KNOWN.

    `max_waiting` limits the queue of each priority.
    """

    def __init__(self, slots: int, *, reserved: int, max_waiting: int, wait_s: float) -> None:
        self._free = slots
        self._reserved = {Priority.KNOWN: 0, Priority.UNKNOWN: reserved}
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._queues: dict[Priority, deque[_Waiter]] = {priority: deque() for priority in Priority}

    @asynccontextmanager
    async def slot(self, priority: Priority) -> AsyncIterator[None]:
        """Hold a slot while the context lasts. Raises NoSlot."""
        loop = asyncio.get_running_loop()
        queue = self._queues[priority]
        decision = loop.create_future()
        waiter = (decision, loop.time())
        queue.append(waiter)
        timer = loop.call_later(self._wait_s, self._refuse, decision)
        self._assign_slots()
        if len(queue) > self._max_waiting:
            self._refuse(queue.popleft()[0])
        try:
            has_slot = await decision
        except asyncio.CancelledError:
            self._leave(waiter, queue)
            raise
        finally:
            timer.cancel()
        if not has_slot:
            self._leave(waiter, queue)
            raise NoSlot
        try:
            yield
        finally:
            self._release()

    @staticmethod
    def _refuse(decision: asyncio.Future[bool]) -> None:
        if not decision.done():
            decision.set_result(False)

    def _leave(self, waiter: _Waiter, queue: deque[_Waiter]) -> None:
        decision, _ = waiter
        if decision.done() and not decision.cancelled() and decision.result():
            self._release()  # the slot was assigned in the same turn of the loop
        else:
            with suppress(ValueError):  # already out of the queue
                queue.remove(waiter)

    def _release(self) -> None:
        self._free += 1
        self._assign_slots()

    def _assign_slots(self) -> None:
        overload_since = asyncio.get_running_loop().time() - self._wait_s / 2
        for priority, queue in self._queues.items():
            while queue and self._free > self._reserved[priority]:
                decision, _ = queue.popleft() if queue[0][1] > overload_since else queue.pop()
                if not decision.done():
                    self._free -= 1
                    decision.set_result(True)
