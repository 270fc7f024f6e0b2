"""The consumer as a whole: a member of the group that runs a worker for each partition it is given."""

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

DRAIN_S = 12.0  # of 25 s: leaving a silent log takes 8 more; an insert still under way is left to its intent
GIVEN_AWAY_S = 60.0  # a stalled partition that has not come back by then is another member's

log = structlog.get_logger(__name__)


class Consumer:
    """Runs until `stop`. Everything it needs from outside is in the group consumer and the surroundings."""

    def __init__(self, group_consumer: GroupConsumer, ctx: ConsumerContext) -> None:
        self._group_consumer = group_consumer
        self._ctx = ctx
        self._stalls: dict[int, tuple[int, float]] = {}  # by partition: position, and when it was given up
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Be a member of the group until `stop` is called or the task is cancelled. A worker's defect is raised."""
        reading = asyncio.ensure_future(self._group_consumer.run(self._work))
        stopping = asyncio.ensure_future(self._ctx.stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await self._drain()
        finally:
            stopping.cancel()
            reading.cancel()
            await asyncio.wait({reading})
        if not reading.cancelled():
            reading.result()

    def stop(self) -> None:
        """Store what was fetched, commit it, leave the group; `run` then returns."""
        self._ctx.stopping.set()

    def blocked_by(self) -> str | None:
        """Why a partition makes no progress, in a word, or None."""
        since_s = self._ctx.clocks.monotonic_s() - GIVEN_AWAY_S
        stalled = any(number in self._ctx.owned or at_s > since_s for number, (_, at_s) in self._stalls.items())
        return next(iter(self._ctx.blocked_by.values()), "stalled" if stalled else None)

    def halted_partitions(self) -> Sequence[HaltedPartition]:
        """The partitions that wait for an operator."""
        return sorted(self._ctx.halted.values(), key=attrgetter("partition"))

    async def _work(self, partition: OwnedPartition) -> None:
        owned = self._ctx.owned
        owned.append(partition.number)
        self._ctx.metrics.partitions_owned.set(len(owned))
        self._idle.clear()
        try:
            await self._watched(PartitionWorker(partition, self._ctx), partition.number)
        finally:
            owned.remove(partition.number)
            self._ctx.metrics.partitions_owned.set(len(owned))
            if not owned:
                self._idle.set()

    async def _watched(self, worker: PartitionWorker, number: int) -> None:
        """Run the worker while it moves. Raises PartitionLost once it does not."""
        try:
            async with asyncio.timeout(None) as patience:
                watching = asyncio.ensure_future(self._watch(worker, number, patience))
                try:
                    await worker.run()
                finally:
                    watching.cancel()
        except TimeoutError:
            if not patience.expired():
                raise
            raise PartitionLost("its worker did not move: take it over anew") from None

    async def _watch(self, worker: PartitionWorker, number: int, patience: asyncio.Timeout) -> None:
        """End the patience with a worker that has stalled, and say so until its partition moves on."""
        watch = Watchdog()
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            progress = worker.progress
            if number in self._stalls and (
                progress.state is PartitionState.IDLE or progress.position > self._stalls[number][0]
            ):
                del self._stalls[number]
                log.info("partition_moves_again", partition=number, position=progress.position)
            if watch.has_stalled(progress):
                self._stalls[number] = (progress.position, self._ctx.clocks.monotonic_s())
                self._ctx.metrics.stalls.inc()
                log.error("partition_stalled", partition=number, position=progress.position)
                patience.reschedule(asyncio.get_running_loop().time())
                return

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("drain_cut_short", workers=len(self._ctx.owned))
