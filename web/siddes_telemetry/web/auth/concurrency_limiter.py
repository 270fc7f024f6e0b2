"""So many questions at a time; the others wait in lanes.

First come, first served, while that serves everybody in time. Under more than that it would let everybody wait until it
is too late: from the moment somebody has waited for half of the time there is, the last to come is served first, so
that whoever asks now is answered at once, or not at all ("adaptive LIFO").
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

_Place = tuple[asyncio.Future[bool], float]  # becomes whether this is a turn; waits since, in the loop's seconds


class NoSlot(Exception):
    """No turn came in time, or more came to wait than may."""


class Priority(Enum):
    """Who is asked about first, in this order."""

    KNOWN = 0
    UNKNOWN = 1


class ConcurrencyLimiter:
    """`at_once` turns, `reserved` of which only the lane of the known may take.

    `max_waiting` is of each lane: with one more, the one that came first goes without.
    """

    def __init__(self, at_once: int, *, reserved: int, max_waiting: int, wait_s: float) -> None:
        self._free = at_once
        self._floors = {Priority.KNOWN: 0, Priority.UNKNOWN: reserved}
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._waiting: dict[Priority, deque[_Place]] = {lane: deque() for lane in Priority}

    @asynccontextmanager
    async def turn(self, lane: Priority) -> AsyncIterator[None]:
        """One turn, while the context lasts. Raises NoSlot."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting[lane]
        mine = loop.create_future()
        place = (mine, loop.time())
        waiting.append(place)
        timer = loop.call_later(self._wait_s, self._send_away, mine)
        self._hand_out()
        if len(waiting) > self._max_waiting:
            self._send_away(waiting.popleft()[0])
        try:
            came = await mine
        except asyncio.CancelledError:
            self._leave(place, waiting)
            raise
        finally:
            timer.cancel()
        if not came:
            self._leave(place, waiting)
            raise NoSlot
        try:
            yield
        finally:
            self._give_back()

    @staticmethod
    def _send_away(waits: asyncio.Future[bool]) -> None:
        if not waits.done():
            waits.set_result(False)

    def _leave(self, place: _Place, waiting: deque[_Place]) -> None:
        turn, _ = place
        if turn.done() and not turn.cancelled() and turn.result():
            self._give_back()  # it came at the same moment
        else:
            with suppress(ValueError):  # taken out already
                waiting.remove(place)

    def _give_back(self) -> None:
        self._free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        late = asyncio.get_running_loop().time() - self._wait_s / 2
        for lane, waiting in self._waiting.items():
            while waiting and self._free > self._floors[lane]:
                turn, _ = waiting.popleft() if waiting[0][1] > late else waiting.pop()
                if not turn.done():
                    self._free -= 1
                    turn.set_result(True)
