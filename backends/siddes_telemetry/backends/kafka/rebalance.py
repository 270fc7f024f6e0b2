"""One membership of the consumer group: a task runs for each assigned partition until the rebalance takes it away.

aiokafka awaits on_partitions_revoked before it rejoins the group (the eager protocol: all partitions are revoked).
There every task is cancelled and awaited, so that no intent is committed and no block inserted across a rebalance. A
member leaves at the first reason to; consumer_group.py then starts a new one, with a new member id.

    state     event                                           next      does
    JOINING   partitions are assigned                         ASSIGNED  starts a task for each partition
    JOINING   no assignment within stall_s + rebalance_s      LEAVING   reason not_in_group
    ASSIGNED  partitions are revoked                          JOINING   ends the tasks; their partitions are lost
    ASSIGNED  no coordinator within stall_s + rebalance_s     LEAVING   reason not_in_group
    ASSIGNED  a task raises PartitionLost                     LEAVING   reason partition_lost
    ASSIGNED  a partition has stalled (stall_detection.py)    LEAVING   reason stalled
    any       assigned, but aiokafka has no membership        LEAVING   reason not_in_group
    any       the driver reports an error                     LEAVING   reason consumer_failed
    any       a task does not end within release_s            LEAVING   reason task_late
    any       a task raises another exception                 LEAVING   live() raises it
    any       live() is cancelled                             LEAVING   -

LEAVING is final. live() then ends the tasks, which may still commit what they have stored, and returns the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition

from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS
from siddes_telemetry.backends.kafka.owned_partition import KafkaPartition, MemberContext
from siddes_telemetry.backends.kafka.stall_detection import StallDetector
from siddes_telemetry.backends.ports.errors import PartitionLost
from siddes_telemetry.backends.ports.log import PartitionWork

CHECK_S = 1.0  # how often the driver's health is checked

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """How long things may take in a group, in seconds. `release_s` must be less than `rebalance_s`."""

    session_s: float = 10.0  # after this without a heartbeat a member's partitions go to others
    rebalance_s: float = 30.0  # a member that has not rejoined by then is left out
    release_s: float = 15.0  # for a cancelled task to end
    stall_s: float = 30.0  # lag without records, or no place in the group, before the consumer is replaced


class _State(Enum):
    JOINING = auto()
    ASSIGNED = auto()
    LEAVING = auto()


@dataclass(slots=True, eq=False)
class _Owned:
    partition: KafkaPartition
    task: asyncio.Task[None]
    revoked: bool = False


class KafkaMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """A member from its subscription to the first reason to leave. The caller starts and stops the consumer."""

    def __init__(self, topic: str, work: PartitionWork, times: GroupTimes, context: MemberContext) -> None:
        self._topic = topic
        self._work = work
        self._times = times
        self._context = context
        self._consumer = context.consumer
        self._committer = context.committer
        self._stall_detector = StallDetector(context, times.stall_s)
        self._state = _State.JOINING
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # to leave
        self._owned: list[_Owned] = []
        self._in_group_at_s = context.monotonic()  # when it was last seen with an assignment and a coordinator

    async def live(self) -> str:
        """Be in the group until there is a reason to leave it, which is returned. Raises what a task raised."""
        self._consumer.subscribe(topics=[self._topic], listener=self)
        try:
            while not self._reason.done():
                await asyncio.wait({self._reason}, timeout=CHECK_S)
                await self._check()
            return self._reason.result()
        finally:
            self._state = _State.LEAVING
            await self._end_tasks(revoked=False)

    async def on_partitions_revoked(self, _revoked: AbstractSet[TopicPartition]) -> None:
        """Return once no task works on any partition. aiokafka awaits it before it rejoins the group."""
        if self._state is _State.ASSIGNED:
            self._state = _State.JOINING
        await self._end_tasks(revoked=True)

    async def on_partitions_assigned(self, assigned: AbstractSet[TopicPartition]) -> None:
        """Start a task for each partition."""
        for key in assigned:  # before anything is awaited: otherwise aiokafka looks for a position of its own
            self._consumer.pause(key)
            self._consumer.seek(key, 0)
        membership = self._committer.membership()
        if membership is None:
            self._leave("not_in_group")
        if membership is None or self._state is _State.LEAVING:
            return
        self._context.metrics.rebalances.inc()
        self._context.stalls.keep_only(assigned)
        log.info("partitions_assigned", partitions=len(assigned), generation=membership.generation)
        self._state = _State.ASSIGNED
        for key in sorted(assigned):
            partition = KafkaPartition(key, membership, self._context)
            owned = _Owned(partition, asyncio.ensure_future(self._work(partition)))
            self._owned.append(owned)
            owned.task.add_done_callback(partial(self._task_ended, owned))

    def _task_ended(self, owned: _Owned, _task: asyncio.Task[None]) -> None:
        cancelled = owned.task.cancelled()
        error = None if cancelled else owned.task.exception()
        if cancelled or isinstance(error, PartitionLost):
            if not owned.revoked:
                self._leave("partition_lost")
        elif error is not None:
            self._leave_with(error, owned)

    def _leave(self, reason: str) -> None:
        """The first reason counts."""
        if self._state is not _State.LEAVING:
            self._state = _State.LEAVING
            self._reason.set_result(reason)

    def _leave_with(self, error: BaseException, owned: _Owned) -> None:
        if self._reason.done():
            log.error("partition_task_failed", partition=owned.partition.number, error=type(error).__name__)
        else:
            self._state = _State.LEAVING
            self._reason.set_exception(error)

    async def _end_tasks(self, *, revoked: bool) -> None:
        """Cancel and await the tasks, up to release_s. Those that are not revoked may still commit before they end."""
        for owned in self._owned:
            owned.revoked = owned.revoked or revoked
            if revoked:
                owned.partition.lose()
            owned.task.cancel()
        if self._owned:
            await asyncio.wait({owned.task for owned in self._owned}, timeout=self._times.release_s)
        for owned in self._owned:
            owned.partition.lose()
        self._owned = [owned for owned in self._owned if not owned.task.done()]
        if self._owned:
            log.error("partition_tasks_late", partitions=len(self._owned))
            self._leave("task_late")  # its consumer must not serve another owner of the same partition

    async def _check(self) -> None:
        """Leave if the driver reports an error, has lost the group, or delivers nothing."""
        now = self._context.monotonic()
        try:
            self._committer.check()
        except DRIVER_ERRORS as error:
            reason = self._context.report.refused(error).reason
            log.warning("consumer_failed", error=type(error).__name__, reason=reason)
            self._leave("consumer_failed")
        if self._state is _State.ASSIGNED and self._committer.coordinator_known():
            self._in_group_at_s = now
        elif now - self._in_group_at_s > self._times.stall_s + self._times.rebalance_s:
            self._leave("not_in_group")
        partitions = [owned.partition for owned in self._owned]
        await self._stall_detector.check(partitions, self._reason, partial(self._leave, "stalled"))
