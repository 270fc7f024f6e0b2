"""The send schedule: a queue per token, each with at most one batch in flight. Pure: the time is an argument.

    state        has                    due                                         next
    waiting      calls                  `linger_s` after its first call, or at      sending
                                        once where they fill a batch
    sending      a batch in flight      not before its outcome                      waiting, backing off, empty
    backing off  a batch that failed    at `not_before_s`                           sending
    empty        nothing                never: it is removed

A token in back-off does not delay the others. Calls get a batch id only when they are first sent, so an outage makes
batches fuller, not more numerous.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from uuid import UUID

from siddes_telemetry_client.batch import MAX_CALLS, Batch, Call, merge_calls
from siddes_telemetry_client.retry import backoff_s, is_expired

MAX_STALE = 64  # stale heap entries beyond two per token; then the heap is rebuilt, which is rare and keeps it small


class TokenQueue:
    """The calls of one token. Its repr does not show the token."""

    __slots__ = ("batch", "not_before_s", "scheduled", "sending", "since_s", "token", "tries", "waiting")

    def __init__(self, token: str) -> None:
        self.token = token
        self.waiting: deque[Call] = deque()
        self.since_s = 0.0  # when `waiting` got its first call, or when a full batch left calls over
        self.batch: Batch | None = None  # sent at least once, and not settled
        self.tries = 0  # consecutive failures
        self.not_before_s = 0.0
        self.sending = False
        self.scheduled: HeapEntry | None = None  # its valid entry in the heap

    def due_s(self, linger_s: float) -> float | None:
        """When its next batch is due; None while one is in flight, or where there is nothing to send."""
        if self.sending or not (self.batch or self.waiting):
            return None
        if self.batch:
            return self.not_before_s
        return max(self.not_before_s, self.since_s + (linger_s if len(self.waiting) < MAX_CALLS else 0.0))


HeapEntry = tuple[float, int, TokenQueue]  # when it is due; a sequence number breaks ties, first come, first served


class SendScheduler:
    """The queues of all tokens. Times are seconds on one monotonic clock."""

    def __init__(self, linger_s: float, new_id: Callable[[], UUID], random: Callable[[], float]) -> None:
        self._linger_s = linger_s
        self._new_id = new_id
        self._random = random
        self._queues: dict[str, TokenQueue] = {}
        self._heap: list[HeapEntry] = []  # an entry is stale once its queue is scheduled by another
        self._sequence = itertools.count()
        self.unsettled = 0  # calls, those in flight included

    def enqueue(self, token: str, call: Call, now_s: float) -> None:
        """Add a call to its token's queue."""
        queue = self._queues.get(token)
        if queue is None:
            queue = self._queues[token] = TokenQueue(token)
        if not queue.waiting:
            queue.since_s = now_s
        queue.waiting.append(call)
        self.unsettled += 1
        self._reschedule(queue)

    def set_linger(self, linger_s: float) -> None:
        """Change how long calls wait for others of their token, also for those that wait already."""
        self._linger_s = linger_s
        for queue in self._queues.values():
            self._reschedule(queue)

    def next_due_s(self) -> float | None:
        """When the next batch is due; None where there is none."""
        while self._heap and _is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_s: float) -> tuple[TokenQueue, Batch] | None:
        """A batch to send now; None where none is due. Its outcome goes to settle() or back_off()."""
        due_s = self.next_due_s()
        if due_s is None or due_s > now_s:
            return None
        _, _, queue = heapq.heappop(self._heap)
        if queue.batch is None:
            calls = [queue.waiting.popleft() for _ in range(min(MAX_CALLS, len(queue.waiting)))]
            queue.batch = Batch(self._new_id(), merge_calls(calls), now_s)
            queue.since_s = now_s  # behind those that wait already: a busy token never starves a quiet one
        queue.sending = True
        self._reschedule(queue)
        return queue, queue.batch

    def settle(self, queue: TokenQueue) -> int:
        """Drop the queue's batch, whether it was counted or refused; the number of its calls."""
        calls = self._drop_batch(queue)
        queue.tries = 0
        queue.not_before_s = 0.0
        self._reschedule(queue)
        return calls

    def back_off(self, queue: TokenQueue, retry_after_s: float, now_s: float) -> int:
        """Schedule a retry of the queue's batch. If it would expire before, drop it; the number of calls dropped."""
        queue.tries += 1
        queue.not_before_s = now_s + backoff_s(queue.tries, retry_after_s, self._random)
        queue.sending = False
        expired = queue.batch is not None and is_expired(queue.batch.first_try_s, queue.not_before_s)
        calls = self._drop_batch(queue) if expired else 0
        self._reschedule(queue)
        return calls

    def clear(self) -> int:
        """Drop everything that is not in flight; the number of calls dropped."""
        before = self.unsettled
        for queue in list(self._queues.values()):
            self.unsettled -= len(queue.waiting)
            queue.waiting.clear()
            if not queue.sending:
                self._drop_batch(queue)
                self._reschedule(queue)
        return before - self.unsettled

    def _drop_batch(self, queue: TokenQueue) -> int:
        calls = queue.batch.calls if queue.batch else 0
        queue.batch = None
        queue.sending = False
        self.unsettled -= calls
        return calls

    def _reschedule(self, queue: TokenQueue) -> None:
        due_s = queue.due_s(self._linger_s)
        if due_s is None:
            queue.scheduled = None
            if not queue.sending:
                del self._queues[queue.token]
        elif queue.scheduled is None or queue.scheduled[0] != due_s:
            queue.scheduled = (due_s, next(self._sequence), queue)
            heapq.heappush(self._heap, queue.scheduled)
        if len(self._heap) > 2 * len(self._queues) + MAX_STALE:
            self._heap = [entry for entry in self._heap if not _is_stale(entry)]
            heapq.heapify(self._heap)


def _is_stale(entry: HeapEntry) -> bool:
    return entry[2].scheduled is not entry
