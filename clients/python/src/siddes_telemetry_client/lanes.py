"""Who sends what when: a lane for each token, at most one batch of it on its way. Pure: the time is an argument.

A lane that backs off holds up no other. Calls that were not tried yet wait without an id, so that an outage makes
batches fuller, not more.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from uuid import UUID

from siddes_telemetry_client.batch import MAX_CALLS, Batch, add_up
from siddes_telemetry_client.calls import Call
from siddes_telemetry_client.retry import too_late, wait_s

MAX_STALE = 64  # entries of the schedule beyond two a lane: it is swept then, which is rare and keeps it small


class Lane:
    """The calls of one token. Its repr does not show the token."""

    __slots__ = ("batch", "not_before_s", "scheduled", "sending", "since_s", "token", "tries", "waiting")

    def __init__(self, token: str) -> None:
        self.token = token
        self.waiting: deque[Call] = deque()
        self.since_s = 0.0  # when `waiting` began: with its first call, or with what was left over by a full batch
        self.batch: Batch | None = None  # tried, and not settled
        self.tries = 0  # failed ones in a row
        self.not_before_s = 0.0
        self.sending = False
        self.scheduled: Turn | None = None  # None while it has nothing to do

    def next_s(self, linger_s: float) -> float | None:
        """When it should send; None while it sends, or has nothing to send."""
        if self.sending or not (self.batch or self.waiting):
            return None
        if self.batch:
            return self.not_before_s
        return max(self.not_before_s, self.since_s + (linger_s if len(self.waiting) < MAX_CALLS else 0.0))


Turn = tuple[float, int, Lane]  # when it is due; then first come, first served


class Lanes:
    """All lanes. Times are seconds on one monotonic clock."""

    def __init__(self, linger_s: float, new_id: Callable[[], UUID], random: Callable[[], float]) -> None:
        self._linger_s = linger_s
        self._new_id = new_id
        self._random = random
        self._lanes: dict[str, Lane] = {}
        self._schedule: list[Turn] = []  # a heap; what its lane is not scheduled by any more is stale
        self._number = itertools.count()
        self.calls = 0  # not settled, in flight included

    def add(self, token: str, call: Call, now_s: float) -> None:
        """Let a call wait for its batch."""
        lane = self._lanes.get(token)
        if lane is None:
            lane = self._lanes[token] = Lane(token)
        if not lane.waiting:
            lane.since_s = now_s
        lane.waiting.append(call)
        self.calls += 1
        self._reschedule(lane)

    def linger(self, linger_s: float) -> None:
        """Let calls wait so long for others to share their batch, from now on and for those that wait already."""
        self._linger_s = linger_s
        for lane in self._lanes.values():
            self._reschedule(lane)

    def next_s(self) -> float | None:
        """When the next batch is due; None where none is."""
        while self._schedule and _is_stale(self._schedule[0]):
            heapq.heappop(self._schedule)
        return self._schedule[0][0] if self._schedule else None

    def take(self, now_s: float) -> tuple[Lane, Batch] | None:
        """A batch to send now, and then to tell settled() or failed() of; None where none is due."""
        due_s = self.next_s()
        if due_s is None or due_s > now_s:
            return None
        _, _, lane = heapq.heappop(self._schedule)
        if lane.batch is None:
            calls = [lane.waiting.popleft() for _ in range(min(MAX_CALLS, len(lane.waiting)))]
            lane.batch = Batch(self._new_id(), add_up(calls), now_s)
            lane.since_s = now_s  # behind who waits already: a busy lane never starves a quiet one
        lane.sending = True
        self._reschedule(lane)
        return lane, lane.batch

    def settled(self, lane: Lane) -> int:
        """The lane's batch is done with, well or badly: so many calls were in it."""
        calls = self._let_go(lane)
        lane.tries = 0
        lane.not_before_s = 0.0
        self._reschedule(lane)
        return calls

    def failed(self, lane: Lane, asked_s: float, now_s: float) -> int:
        """The lane's batch must be tried again; if that would be too late, it is given up: so many calls were in it."""
        lane.tries += 1
        lane.not_before_s = now_s + wait_s(lane.tries, asked_s, self._random)
        lane.sending = False
        late = lane.batch is not None and too_late(lane.batch.first_try_s, lane.not_before_s)
        calls = self._let_go(lane) if late else 0
        self._reschedule(lane)
        return calls

    def clear(self) -> int:
        """Forget all but what is in flight: so many calls."""
        before = self.calls
        for lane in list(self._lanes.values()):
            self.calls -= len(lane.waiting)
            lane.waiting.clear()
            if not lane.sending:
                self._let_go(lane)
                self._reschedule(lane)
        return before - self.calls

    def _let_go(self, lane: Lane) -> int:
        calls = lane.batch.calls if lane.batch else 0
        lane.batch = None
        lane.sending = False
        self.calls -= calls
        return calls

    def _reschedule(self, lane: Lane) -> None:
        due_s = lane.next_s(self._linger_s)
        if due_s is None:
            lane.scheduled = None
            if not lane.sending:
                del self._lanes[lane.token]
        elif lane.scheduled is None or lane.scheduled[0] != due_s:
            lane.scheduled = (due_s, next(self._number), lane)
            heapq.heappush(self._schedule, lane.scheduled)
        if len(self._schedule) > 2 * len(self._lanes) + MAX_STALE:
            self._schedule = [turn for turn in self._schedule if not _is_stale(turn)]
            heapq.heapify(self._schedule)


def _is_stale(turn: Turn) -> bool:
    return turn[2].scheduled is not turn
