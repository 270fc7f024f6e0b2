"""The consumer as a whole: a member of the group that runs a partition worker for each partition it owns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import attrgetter

import structlog

from siddes_telemetry.backends.ports.errors import PartitionLost
from siddes_telemetry.backends.ports.log import GroupConsumer, OwnedPartition
from siddes_telemetry.consumer.context import ConsumerContext, HaltedPartition
from siddes_telemetry.consumer.partition_state import PartitionState
from siddes_telemetry.consumer.watchdog import CHECK_EVERY_S, Watchdog
from siddes_telemetry.consumer.worker import PartitionWorker

DRAIN_S = 12.0  # of 25 s: leaving a log that does not answer takes 8 more; an insert still under way keeps its intent
GIVEN_AWAY_S = 60.0  # a stalled partition that has not come back by then is another member's

log = structlog.get_logger(__name__)


class Consumer:
    """Runs until `stop`. Everything it needs from outside is in the group consumer and the context."""

    def __init__(self, group_consumer: GroupConsumer, ctx: ConsumerContext) -> None:
        self._group_consumer = group_consumer
        self._ctx = ctx
        self._stalls: dict[int, tuple[int, float]] = {}  # by partition: position, and when it was given up
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Be a member of the group until `stop` is called or the task is cancelled. Raises the bugs of its workers."""
        membership = asyncio.ensure_future(self._group_consumer.run(self._work))
        stopping = asyncio.ensure_future(self._ctx.stopping.wait())
        try:
            await asyncio.wait({membership, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not membership.done():
                await self._drain()
        finally:
            stopping.cancel()
            membership.cancel()
            await asyncio.wait({membership})
        if not membership.cancelled():
            membership.result()

    def stop(self) -> None:
        """Store what was fetched, commit it, leave the group; `run` then returns."""
        self._ctx.stopping.set()

    def blocked_by(self) -> str | None:
        """Why a partition makes no progress, in one word, or None."""
        since_s = self._ctx.clocks.monotonic_s() - GIVEN_AWAY_S
        stalled = any(number in self._ctx.owned or at_s > since_s for number, (_, at_s) in self._stalls.items())
        return next(iter(self._ctx.blocked_by.values()), "stalled" if stalled else None)

    def halted_partitions(self) -> Sequence[HaltedPartition]:
        """The partitions that wait for an operator, by number."""
        return sorted(self._ctx.halted.values(), key=attrgetter("partition"))

    async def _work(self, partition: OwnedPartition) -> None:
        owned = self._ctx.owned
        owned.append(partition.number)
        self._ctx.metrics.partitions_owned.set(len(owned))
        self._idle.clear()
        try:
            await self._run_watched(PartitionWorker(partition, self._ctx), partition.number)
        finally:
            owned.remove(partition.number)
            self._ctx.metrics.partitions_owned.set(len(owned))
            if not owned:
                self._idle.set()

    async def _run_watched(self, worker: PartitionWorker, number: int) -> None:
        """Run the partition worker while it moves. Raises PartitionLost once it has stalled."""
        deadline = asyncio.timeout(None)
        watching = asyncio.ensure_future(self._watch(worker, number, deadline))
        try:
            async with deadline:
                await worker.run()
        except TimeoutError:
            if not deadline.expired():
                raise
            raise PartitionLost("its task did not move: take it over anew") from None
        finally:
            watching.cancel()
            # Both lead to this task, whose error leads here: the worker and its records would stay until a garbage
            # collection.
            del deadline, watching

    async def _watch(self, worker: PartitionWorker, number: int, deadline: asyncio.Timeout) -> None:
        """Expire the deadline of a stalled partition worker, and report the stall until its partition moves again."""
        watchdog = Watchdog()
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            progress = worker.progress
            idle = progress.state is PartitionState.IDLE
            if number in self._stalls and (idle or progress.position > self._stalls[number][0]):
                del self._stalls[number]
                log.info("partition_moves_again", partition=number, position=progress.position)
            if watchdog.has_stalled(progress):
                self._stalls[number] = (progress.position, self._ctx.clocks.monotonic_s())
                self._ctx.metrics.stalls.inc()
                log.error("partition_stalled", partition=number, position=progress.position)
                deadline.reschedule(asyncio.get_running_loop().time())
                return

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("drain_cut_short", workers=len(self._ctx.owned))
