"""Group commit: batches of many requests share one record of the log.

While one append of a partition is in flight, the next record fills. There is no linger timer: a batch that finds an
idle partition is sent in the next event loop iteration, and under load records grow by themselves.

A keyed batch belongs to the partition of its key, so that a retry meets the original. An unkeyed batch belongs to no
partition until it is sent: the partition that has been idle for longest takes all that wait, so a slow partition delays
none of them. Beside an append that is still young, another record of unkeyed batches is sent only if at least as many
batches wait as that append carries, and at most `parallel` at a time; otherwise there would be many small records
instead of few large ones.

The parts: limits.py (all limits), admission.py (what is refused at once, bytes in flight), pending_batches.py (a batch,
and the record made of many), partition_queue.py (a partition's states), deadlines.py (expiry and hung appends).
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TypeVar

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import LogAppender
from siddes_telemetry.ingest_gateway.admission import Admission
from siddes_telemetry.ingest_gateway.deadlines import Deadlines, Timers
from siddes_telemetry.ingest_gateway.limits import BATCH_OVERHEAD_BYTES, TIMER_SLACK_S, GroupCommitLimits
from siddes_telemetry.ingest_gateway.metrics import AppendOutcome, GatewayMetrics, RefusalReason
from siddes_telemetry.ingest_gateway.partition_queue import Append, PartitionQueue
from siddes_telemetry.ingest_gateway.pending_batches import GroupRecord, PendingBatch, fill_record
from siddes_telemetry.schemas.client_batch import NO_BATCH, partition_of
from siddes_telemetry.schemas.record_encoding import encode_headers
from siddes_telemetry.schemas.request_bodies import NO_COUNTS, EventCounts
from siddes_telemetry.web.reply_future import ReplyFuture

Reply = TypeVar("Reply")


class GroupCommit:
    """Makes client batches durable, many at a time. `timers` is the running event loop, except in tests."""

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
        self._partitions = [PartitionQueue(number) for number in range(partitions)]
        self._idle = deque(self._partitions)  # the one that has been idle for longest first
        self._unkeyed: deque[PendingBatch] = deque()
        metrics.log_partitions.set(partitions)
        self._admission = Admission(limit_bytes=limits.in_flight_bytes, partitions=partitions, metrics=metrics)
        self._deadlines = Deadlines(
            timers,
            deadline_s=limits.deadline_s,
            partitions=self._partitions,
            unkeyed=self._unkeyed,
            admission=self._admission,
            then=self._send_all,
        )
        self._send_scheduled = False

    @property
    def in_flight_bytes(self) -> int:
        """Of all batches that wait for the log, sent or not."""
        return self._admission.in_flight_bytes

    def submit(
        self, lines: bytes, rows: int, key: bytes | None, *, counts: EventCounts = NO_COUNTS, reply: Reply
    ) -> ReplyFuture[Reply]:
        """Append these lines to the log, under this batch key if there is one. Gives `reply` once they are durable.

        `counts` are then counted as accepted. Raises ApiError unavailable, at once or where the reply is awaited: the
        lines were refused, given up before they were sent, or sent and not confirmed within the deadline (then the log
        may still keep them).
        """
        owner = None if key is None else self._partitions[partition_of(key, len(self._partitions))]
        cost = len(lines) + BATCH_OVERHEAD_BYTES
        self._admission.admit(owner, len(lines), cost)
        deadline = self._timers.time() + self._limits.deadline_s
        future: ReplyFuture[Reply] = ReplyFuture()
        batch = PendingBatch(lines, rows, key or NO_BATCH, counts, reply, deadline, future, cost)
        (self._unkeyed if owner is None else owner.waiting).append(batch)
        if self._deadlines.due_at > deadline:
            self._deadlines.look_by(deadline)
        if not self._send_scheduled:  # not now: batches that arrive in this loop iteration share a record
            self._send_scheduled = True
            self._loop.call_soon(self._send_scheduled_batches)
        return future

    async def ping(self) -> None:
        """Return if at least one partition is expected to take appends. Raises LogUnavailable or LogMissing.

        Appends may hang for `stuck_s` before that counts: while a cluster replaces a broker, all of them may hang at
        all gateways, and a load balancer without a gateway would go on refusing requests when they no longer do.
        """
        stuck_since = self._timers.time() - self._limits.stuck_s
        if all(each.record is not None and each.sent_at <= stuck_since for each in self._partitions):
            raise LogUnavailable("the append of every partition hangs")
        await self._appender.ping()

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new batches and wait for the others. True if the log has answered for all of them.

        Batches that are left at the deadline are answered 503, and their appends are cancelled.
        """
        self._admission.stop()
        try:
            async with asyncio.timeout(deadline_s):
                await self._admission.empty.wait()
        except TimeoutError:
            await self._give_up()
            drained = False
        else:
            drained = True
        self._deadlines.stop()
        return drained

    def _send_scheduled_batches(self) -> None:
        self._send_scheduled = False
        self._send_all()

    def _send_all(self) -> None:
        """Begin every append that may begin now."""
        for partition in self._partitions:
            if partition.waiting and partition.record is None:
                self._send(partition)
        while self._unkeyed and self._idle:
            if (until := self._delayed_until()) is not None:
                self._deadlines.look_by(until)
                return
            self._send(self._idle[0])

    def _delayed_until(self) -> float | None:
        """Until when unkeyed batches wait to become more, unless an append is answered before. None: they go now."""
        since = self._timers.time() - self._limits.young_s + TIMER_SLACK_S
        young = [each for each in self._partitions if each.record is not None and each.sent_at > since]
        if not young:
            return None
        carried = max(len(each.record.batches) for each in young if each.record is not None)
        if len(young) < self._limits.parallel and len(self._unkeyed) >= carried:
            return None
        return min(each.sent_at for each in young) + self._limits.young_s

    def _send(self, partition: PartitionQueue) -> None:
        """Append one record of the batches that wait for this partition, and of unkeyed ones if there is room."""
        record = fill_record((partition.waiting, self._unkeyed))
        self._admission.release(record.abandoned_cost)
        if not record.batches:
            return
        self._idle.remove(partition)
        partition.state, partition.record, partition.sent_at = Append.APPENDING, record, self._timers.time()
        self._metrics.buffered.observe(self._metrics.record_rows, record.rows)
        self._metrics.buffered.observe(self._metrics.record_bytes, len(record.value))
        batches = [(batch.key, batch.rows) for batch in record.batches]
        headers = encode_headers(self._revision, record.value, batches)
        append = asyncio.create_task(self._appender.append(partition.number, record.value, headers))
        append.add_done_callback(partial(self._answered, partition, record))
        partition.append = append

    def _answered(self, partition: PartitionQueue, record: GroupRecord, append: asyncio.Task[None]) -> None:
        """The log answered, or the append was cancelled: reply to every batch of the record, and send the next."""
        took_s = self._timers.time() - partition.sent_at
        if partition.state is Append.HUNG:
            self._deadlines.answered_late(partition, took_s)
        partition.state, partition.record, partition.append = Append.IDLE, None, None
        self._idle.append(partition)
        defect = None if append.cancelled() else append.exception()
        if append.cancelled() or isinstance(defect, LogUnavailable):
            outcome, defect = AppendOutcome.UNAVAILABLE, None
        else:
            outcome = AppendOutcome.ERROR if defect else AppendOutcome.OK
        self._metrics.buffered.increment(self._metrics.appends[outcome])
        self._metrics.buffered.observe(self._metrics.append_seconds, took_s)
        if outcome is AppendOutcome.OK:
            self._metrics.buffered.increment(self._metrics.rows_appended, record.rows)
            self._metrics.accept([batch.counts for batch in record.batches if batch.confirm()])
        else:
            for batch in record.batches:
                if defect is None:
                    self._admission.refuse(batch, RefusalReason.LOG)
                else:
                    batch.fail(defect)
        self._admission.release(record.cost)
        self._send_all()

    async def _give_up(self) -> None:
        """The process ends: refuse the batches that were not sent, and cancel the appends of the others."""
        for queue in (self._unkeyed, *(partition.waiting for partition in self._partitions)):
            for batch in queue:
                self._admission.refuse(batch, RefusalReason.DRAINING)
        appends = [partition.append for partition in self._partitions if partition.append is not None]
        for append in appends:
            append.cancel()
        if appends:
            await asyncio.wait(appends)
