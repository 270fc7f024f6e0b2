"""The consumer as a whole: a member of the group that runs a worker for each partition it is given."""

from __future__ import annotations

import asyncio

import structlog

from siddes_telemetry.backends.ports import LogReader, OwnedPartition
from siddes_telemetry.consumer.surroundings import Surroundings
from siddes_telemetry.consumer.worker import PartitionWorker

DRAIN_S = 12.0  # of 25 s: leaving a silent log takes 8 more; an insert still under way is left to its intent


class Consumer:
    """Runs until `stop`. Everything it needs from outside is in the reader and the surroundings."""

    def __init__(self, reader: LogReader, around: Surroundings) -> None:
        self._reader = reader
        self._around = around
        self._workers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Be a member of the group until `stop` is called or the task is cancelled. A worker's defect is raised."""
        reading = asyncio.ensure_future(self._reader.run(self._work))
        stopping = asyncio.ensure_future(self._around.stopping.wait())
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
        self._around.stopping.set()

    def trouble(self) -> str | None:
        """Why a partition makes no progress, in a word, or None."""
        return next(iter(self._around.troubles.values()), None)

    async def _work(self, partition: OwnedPartition) -> None:
        self._workers += 1
        self._idle.clear()
        try:
            await PartitionWorker(partition, self._around).run()
        finally:
            self._workers -= 1
            if self._workers == 0:
                self._idle.set()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            structlog.get_logger(__name__).warning("drain_cut_short", workers=self._workers)
