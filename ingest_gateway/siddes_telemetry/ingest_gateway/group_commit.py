"""Group commit: requests share records of the log. While one append of a partition is in flight the next one fills.

There is no linger timer: a request that finds a free partition goes at the end of the same turn of the event loop,
and under load records grow by themselves. A keyed client batch belongs to its partition. Unkeyed lines belong to
none until they are sent: whichever partition is free next takes all that wait, so a slow one delays none of them.
They take the partitions in turn. Beside a young append another begins only where at least as many wait as that one
carries, and never more than `parallel` at a time: else there would be many small records instead of few large ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import LogAppender
from siddes_telemetry.ingest_gateway.metrics import AppendOutcome, GatewayMetrics, RefusalReason
from siddes_telemetry.ingest_gateway.pending_batches import BATCH_OVERHEAD_BYTES, GroupRecord, PendingBatch, fill_record
from siddes_telemetry.schemas.client_batch import NO_BATCH, partition_of
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.record_encoding import encode_headers
from siddes_telemetry.schemas.request_bodies import NO_COUNTS, EventCounts
from siddes_telemetry.web.reply_future import ReplyFuture

Reply = TypeVar("Reply")

TIMER_SLACK_S = 0.001  # uvloop counts in whole milliseconds and may call this much early

log = structlog.get_logger(__name__)


class Timer(Protocol):
    """A call that has been asked for."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """A monotonic clock in seconds, and calls at its times: an asyncio event loop is one."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer: ...


@dataclass(frozen=True, slots=True)
class GroupCommitLimits:
    """What bounds a GroupCommit."""

    deadline_s: float = 5.0  # how long a request waits; an append that is silent for longer has hung
    in_flight_bytes: int = 32 * 1024 * 1024  # of all that wait, sent or not: 30,000 single counts, 64 full records
    parallel: int = 2  # measured: with one the log idles between records, with more they only get smaller
    young_s: float = 0.1  # an append older than this holds nobody else back: a healthy log answers sooner


@dataclass(slots=True)
class _Partition:
    number: int
    waiting: deque[PendingBatch] = field(default_factory=deque)  # keyed, not sent
    record: GroupRecord | None = None  # in flight
    append: asyncio.Task[None] | None = None
    sent_at: float = 0.0
    hung: bool = False


class GroupCommit:
    """Makes client batches durable, many at a time. `timers` is the running event loop, but for tests."""

    def __init__(
        self,
        appender: LogAppender,
        *,
        partitions: int,
        revision: int,
        timers: Timers,
        metrics: GatewayMetrics,
        limits: GroupCommitLimits,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._appender = appender
        self._revision = revision
        self._timers = timers
        self._metrics = metrics
        self._limits = limits
        self._partitions = [_Partition(number) for number in range(partitions)]
        self._free = deque(self._partitions)  # nothing in flight; the longest free first
        self._hung = 0  # how many partitions are
        self._unkeyed: deque[PendingBatch] = deque()
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: Timer | None = None
        self._due = 0.0  # when `_timer` calls
        self._sending_soon = False
        self._draining = False

    def submit(
        self, lines: bytes, rows: int, key: bytes | None, *, counts: EventCounts = NO_COUNTS, reply: Reply
    ) -> ReplyFuture[Reply]:
        """Gives `reply` once the log has these lines durably, under this batch key if there is one.

        `counts` are then counted as accepted. Raises ApiError unavailable, at once or where it is awaited: the lines
        were refused, given up before they were sent, or sent and not confirmed within the deadline (then the log may
        still keep them).
        """
        owner = None if key is None else self._partitions[partition_of(key, len(self._partitions))]
        cost = len(lines) + BATCH_OVERHEAD_BYTES
        refusal = self._refuse_at_once(owner, len(lines))
        if refusal is not None:
            self._metrics.refusals[refusal].inc()
            raise ApiError(ErrorCode.unavailable)
        deadline = self._timers.time() + self._limits.deadline_s
        answer: ReplyFuture[Reply] = ReplyFuture()
        batch = PendingBatch(lines, rows, key or NO_BATCH, counts, reply, deadline, answer, cost)
        (self._unkeyed if owner is None else owner.waiting).append(batch)
        self._bytes += cost
        self._empty.clear()
        if self._timer is None or self._due > deadline:
            self._call_by(deadline)
        if not self._sending_soon:  # not now: what else arrives in this turn of the loop comes along
            self._sending_soon = True
            self._loop.call_soon(self._send_soon)
        return answer

    async def drain(self, deadline_s: float) -> bool:
        """Refuse what is new and wait for the rest. True if the log has answered for all of it.

        What is left at the deadline is answered 503, and its appends are no longer waited for.
        """
        self._draining = True
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            await self._give_up()
            drained = False
        else:
            drained = True
        if self._timer is not None:
            self._timer.cancel()
        return drained

    def _refuse_at_once(self, owner: _Partition | None, size: int) -> RefusalReason | None:
        if self._draining:
            return RefusalReason.DRAINING
        if owner.hung if owner is not None else self._hung == len(self._partitions):
            return RefusalReason.LOG
        if self._bytes + size > self._limits.in_flight_bytes:
            return RefusalReason.FULL
        return None

    def _refuse(self, batch: PendingBatch, refusal: RefusalReason, defect: BaseException | None = None) -> None:
        if batch.refuse(defect or ApiError(ErrorCode.unavailable)) and defect is None:
            self._metrics.refusals[refusal].inc()

    def _release(self, cost: int) -> None:
        self._bytes -= cost
        self._metrics.in_flight_bytes.set(self._bytes)
        if self._bytes == 0:
            self._empty.set()

    def _send_soon(self) -> None:
        self._sending_soon = False
        self._send_all()

    def _send_all(self) -> None:
        """Begin every append that may begin now."""
        for partition in self._partitions:
            if partition.waiting and partition.record is None:
                self._send(partition)
        while self._unkeyed and self._free:
            if (until := self._held_back_until()) is not None:
                self._call_by(until)
                return
            self._send(self._free[0])

    def _held_back_until(self) -> float | None:
        """Until when those that wait unkeyed are to become more, unless an append is answered before; None: they go."""
        since = self._timers.time() - self._limits.young_s + TIMER_SLACK_S
        young = [each for each in self._partitions if each.record is not None and each.sent_at > since]
        if not young:
            return None
        carried = max(len(each.record.batches) for each in young if each.record is not None)
        if len(young) < self._limits.parallel and len(self._unkeyed) >= carried:
            return None
        return min(each.sent_at for each in young) + self._limits.young_s

    def _send(self, partition: _Partition) -> None:
        record = fill_record((partition.waiting, self._unkeyed))
        self._release(record.freed)
        if not record.batches:
            return
        self._free.remove(partition)
        partition.record, partition.sent_at = record, self._timers.time()
        self._metrics.buffered.observe(self._metrics.record_rows, record.rows)
        self._metrics.buffered.observe(self._metrics.record_bytes, len(record.value))
        batches = [(batch.key, batch.rows) for batch in record.batches]
        headers = encode_headers(self._revision, record.value, batches)
        append = asyncio.create_task(self._appender.append(partition.number, record.value, headers))
        append.add_done_callback(partial(self._resolved, partition, record))
        partition.append = append

    def _resolved(self, partition: _Partition, record: GroupRecord, append: asyncio.Task[None]) -> None:
        """The log has answered, in whatever way: so are all who waited for this record, and the next one goes."""
        took_s = self._timers.time() - partition.sent_at
        partition.record = partition.append = None
        self._free.append(partition)
        if partition.hung:
            partition.hung = False
            self._hung -= 1
            self._metrics.hung_partitions.set(self._hung)
            log.warning("append_answered_late", partition=partition.number, after_s=round(took_s, 1))
        defect = None if append.cancelled() else append.exception()
        if append.cancelled() or isinstance(defect, LogUnavailable):
            outcome, defect = AppendOutcome.UNAVAILABLE, None
        else:
            outcome = AppendOutcome.ERROR if defect else AppendOutcome.OK
        self._metrics.buffered.increment(self._metrics.appends[outcome])
        self._metrics.buffered.observe(self._metrics.append_seconds, took_s)
        if outcome is AppendOutcome.OK:
            self._metrics.buffered.increment(self._metrics.rows_appended, record.rows)
            self._metrics.accept([batch.counts for batch in record.batches if batch.settle()])
        else:
            for batch in record.batches:
                self._refuse(batch, RefusalReason.LOG, defect)
        self._release(record.cost)
        self._send_all()

    def _call_by(self, when: float) -> None:
        """Have `_tick` called at this time or before."""
        if self._timer is not None:
            if self._due <= when:
                return
            self._timer.cancel()
        self._timer, self._due = self._timers.call_at(when, self._tick), when

    def _tick(self) -> None:
        """Give up what is past its deadline, mark what hangs, and send what was held back."""
        self._timer = None
        now = self._timers.time() + TIMER_SLACK_S
        for queue in (self._unkeyed, *(partition.waiting for partition in self._partitions)):
            while queue and queue[0].deadline <= now:  # the oldest is first
                batch = queue.popleft()
                self._refuse(batch, RefusalReason.DEADLINE)
                self._release(batch.cost)
            if queue:
                self._call_by(queue[0].deadline)
        for partition in self._partitions:
            if partition.record is not None:
                self._watch(partition, partition.record, now)
        self._send_all()

    def _watch(self, partition: _Partition, record: GroupRecord, now: float) -> None:
        for batch in record.batches:
            if batch.deadline <= now:
                self._refuse(batch, RefusalReason.DEADLINE)
            elif not batch.answer.done():
                self._call_by(batch.deadline)
        hangs_at = partition.sent_at + self._limits.deadline_s
        if hangs_at > now:
            self._call_by(hangs_at)
        elif not partition.hung:
            partition.hung = True
            self._hung += 1
            self._metrics.hung_partitions.set(self._hung)
            log.warning("append_hangs", partition=partition.number, deadline_s=self._limits.deadline_s)

    async def _give_up(self) -> None:
        for queue in (self._unkeyed, *(partition.waiting for partition in self._partitions)):
            for batch in queue:
                self._refuse(batch, RefusalReason.DRAINING)
        appends = [partition.append for partition in self._partitions if partition.append is not None]
        for append in appends:
            append.cancel()
        if appends:
            await asyncio.wait(appends)
