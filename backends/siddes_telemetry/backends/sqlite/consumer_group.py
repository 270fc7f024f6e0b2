"""The embedded log's consumer group: one member at a time."""

from __future__ import annotations

import asyncio
import random

import structlog

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import PartitionWork
from siddes_telemetry.backends.sqlite import queries
from siddes_telemetry.backends.sqlite.partition import SqlitePartition
from siddes_telemetry.backends.sqlite.reading_thread import SqliteReads
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import SqliteWriter

log = structlog.get_logger(__name__)


class SqliteGroupConsumer:
    """A GroupConsumer. A second one waits, without the partition, until the first has left."""

    def __init__(
        self, reads: SqliteReads, writer: SqliteWriter, tail: Tail, membership: asyncio.Lock, rng: random.Random
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._tail = tail
        self._membership = membership
        self._rng = rng

    async def run(self, work: PartitionWork) -> None:
        backoff = Backoff(self._rng)
        async with self._membership:
            while True:
                try:
                    generation = await self._writer.run(queries.begin_generation)
                except LogUnavailable:
                    log.warning("log_unavailable")
                else:
                    partition = SqlitePartition(generation, self._reads, self._writer, self._tail)
                    await _until_lost(partition, work)
                    log.warning("partition_lost", partition=partition.number)
                    if partition.has_committed:
                        backoff = Backoff(self._rng)
                await asyncio.sleep(backoff.next_s())

    async def ping(self) -> None:
        await self._reads.run(queries.bounds)


async def _until_lost(partition: SqlitePartition, work: PartitionWork) -> None:
    """Return when the work raised PartitionLost; raise what else it raised."""
    task = asyncio.ensure_future(work(partition))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("work_failed_while_stopping", error=type(error).__name__)
        raise
    finally:
        partition.give_up()
    if not task.cancelled() and not isinstance(task.exception(), PartitionLost):
        await task
        await asyncio.Event().wait()  # work that is done stays owned, until cancelled
