"""One life of a group member: partitions are given and taken, a task runs for each while it is owned.

aiokafka awaits on_partitions_revoked before it rejoins the group: there every task is cancelled and awaited, so that
nothing is declared or inserted across a rebalance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

import structlog
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS
from siddes_telemetry.backends.kafka.owned_partition import KafkaPartition, MemberTools
from siddes_telemetry.backends.kafka.range_reads import ends_of, read_range
from siddes_telemetry.backends.ports.errors import LogStalled, LogUnavailable, PartitionLost, RecordsGone
from siddes_telemetry.backends.ports.log import PartitionWork

CHECK_S = 1.0  # how often the driver's health is looked at
DAMAGE_ROUNDS = 5  # of a second each, before a partition that gives another reader nothing counts as damaged
CONFIRM_S = 3.0  # a partition that looks stalled is looked at again after this: its records may just be on their way

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """How long things may take in a group, in seconds. `release_s` must be less than `rebalance_s`."""

    session_s: float = 10.0  # a dead member's partitions go to others after this
    rebalance_s: float = 30.0  # a member that has not come back by then is left out
    release_s: float = 15.0  # for a cancelled task to end
    stall_s: float = 30.0  # lag without records, or no place in the group, before the consumer is made anew


@dataclass(slots=True, eq=False)
class _Owned:
    partition: KafkaPartition
    task: asyncio.Task[None]
    revoked: bool = False


class KafkaMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """From joining to the first reason to leave. The consumer is started, and stopped by whoever made it."""

    def __init__(self, topic: str, work: PartitionWork, times: GroupTimes, tools: MemberTools) -> None:
        self._topic = topic
        self._work = work
        self._times = times
        self._tools = tools
        self._consumer = tools.consumer
        self._committer = tools.committer
        self._monotonic = tools.monotonic
        self._owned: list[_Owned] = []
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._leaving = False
        self._in_group = False
        self._in_group_at = tools.monotonic()

    async def live(self) -> str:
        """Be in the group until there is a reason to leave it, which is returned. Raises what a task raised."""
        self._consumer.subscribe(topics=[self._topic], listener=self)
        try:
            while not self._ended.done():
                await asyncio.wait({self._ended}, timeout=CHECK_S)
                await self._check()
            return self._ended.result()
        finally:
            self._leaving = True
            await self._release(revoked=False)

    async def on_partitions_revoked(self, _revoked: AbstractSet[TopicPartition]) -> None:
        """Return once no task works on any partition. aiokafka calls and awaits it before it rejoins."""
        self._in_group = False
        await self._release(revoked=True)

    async def on_partitions_assigned(self, assigned: AbstractSet[TopicPartition]) -> None:
        """Start a task for each partition."""
        for key in assigned:  # before anything is awaited: or the driver begins where it likes, or fails to
            self._consumer.pause(key)
            self._consumer.seek(key, 0)
        membership = self._committer.membership()
        if membership is None:
            self._end("not_in_group")
        if membership is None or self._leaving or self._ended.done():
            return
        self._tools.metrics.rebalances.inc()
        self._tools.stalls.keep_only(assigned)
        log.info("partitions_assigned", partitions=len(assigned), generation=membership.generation)
        self._in_group = True
        for key in sorted(assigned):
            partition = KafkaPartition(key, membership, self._tools)
            owned = _Owned(partition, asyncio.ensure_future(self._work(partition)))
            self._owned.append(owned)
            owned.task.add_done_callback(partial(self._task_ended, owned))

    def _task_ended(self, owned: _Owned, _task: asyncio.Task[None]) -> None:
        error = None if owned.task.cancelled() else owned.task.exception()
        if error is None and not owned.task.cancelled():
            return
        if error is None or isinstance(error, PartitionLost):
            if not owned.revoked and not self._leaving:
                self._end("partition_lost")
        elif not self._ended.done():
            self._ended.set_exception(error)
        else:
            log.error("partition_task_failed", partition=owned.partition.number, error=type(error).__name__)

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _release(self, *, revoked: bool) -> None:
        """Cancel and await the tasks, up to a time. Those that are not revoked may still commit on their way out."""
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
            self._end("task_late")  # its consumer must not serve another owner of the same partition

    async def _check(self) -> None:
        """End this life where the driver reports an error, has lost the group, or has fallen silent."""
        now = self._monotonic()
        try:
            self._committer.check()
        except DRIVER_ERRORS as error:
            log.warning("consumer_failed", error=type(error).__name__)
            self._end("consumer_failed")
        if self._in_group and self._committer.coordinator_known():
            self._in_group_at = now
        elif now - self._in_group_at > self._times.stall_s + self._times.rebalance_s:
            self._end("not_in_group")
        silent = {
            owned.partition: waiting_since
            for owned in self._owned
            if (waiting_since := owned.partition.waiting_since) is not None
            and now - waiting_since > self._times.stall_s
        }
        if silent:
            await self._look_for_stall(silent)

    async def _look_for_stall(self, silent: Mapping[KafkaPartition, float]) -> None:
        """After a broker's restart a consumer may hang without an error (aiokafka's issue 1154): ask elsewhere.

        `silent`: partitions whose fetch has waited since then.
        """
        try:
            ends = await ends_of(self._tools.connection, [partition.key for partition in silent])
        except LogUnavailable:
            return  # an outage, which the consumer is waiting out as well
        behind = []
        for partition, waiting_since in silent.items():
            if await self._is_behind(partition, waiting_since, ends):
                behind.append(partition)
                self._tools.stalls.add(partition.key)
            elif partition.waiting_since == waiting_since:
                partition.waiting_since = self._monotonic()  # rightly silent: looked at again after another stall_s
                self._tools.stalls.discard(partition.key)
        if not behind:
            return
        await asyncio.wait({self._ended}, timeout=CONFIRM_S)
        for partition in behind:
            since = silent[partition]
            if not await self._is_behind(partition, since, ends) or await self._is_damaged(partition, since):
                self._tools.stalls.discard(partition.key)
            else:
                self._end("stalled")

    async def _is_damaged(self, partition: KafkaPartition, waiting_since: float) -> bool:
        """Whether another connection is given no more than this one: then a new member would not be either."""
        place = partition.position
        reading = read_range(self._tools.connection, partition.key, place, place + 1, patience_rounds=DAMAGE_ROUNDS)
        try:
            _ = [piece async for piece in reading]
        except LogStalled:
            if partition.waiting_since == waiting_since and partition.position == place:  # nothing has come meanwhile
                log.error("log_damaged", partition=partition.number, offset=place)
                partition.find_damaged(place)
            return True
        except (LogUnavailable, RecordsGone):
            return False
        return False

    async def _is_behind(
        self, partition: KafkaPartition, waiting_since: float, ends: Mapping[TopicPartition, int]
    ) -> bool:
        """Whether the same fetch still waits although there are records for it."""
        if partition.waiting_since != waiting_since:
            return False
        return int(await self._consumer.position(partition.key)) < ends[partition.key]
