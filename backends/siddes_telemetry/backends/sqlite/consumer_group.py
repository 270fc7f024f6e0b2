"""The embedded log's consumer group: one member at a time owns the one partition."""

from __future__ import annotations

import asyncio
import random
import sqlite3

import structlog

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import PartitionWork
from siddes_telemetry.backends.sqlite import records
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.partition import SqlitePartition
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread

log = structlog.get_logger(__name__)


class SqliteGroupConsumer:
    """A GroupConsumer. A second one waits until the first has left the group."""

    def __init__(
        self,
        reading: ReadingThread,
        writing: WritingThread,
        tail: Tail,
        *,
        membership: asyncio.Lock,
        commits: asyncio.Lock,
        rng: random.Random,
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._tail = tail
        self._membership = membership
        self._commits = commits
        self._rng = rng

    async def run(self, work: PartitionWork) -> None:
        backoff = Backoff(self._rng)
        async with self._membership:
            while True:
                try:
                    generation = await self._writing.run(_begin_generation)
                except LogUnavailable:
                    log.warning("log_unavailable")
                else:
                    partition = SqlitePartition(generation, self._reading, self._writing, self._tail, self._commits)
                    await _until_lost(partition, work)
                    log.warning("partition_lost", partition=partition.number)
                    if partition.has_committed:
                        backoff = Backoff(self._rng)
                await asyncio.sleep(backoff.next_s())

    async def ping(self) -> None:
        await self._reading.run(records.bounds)


async def _until_lost(partition: SqlitePartition, work: PartitionWork) -> None:
    """Return when the work raised PartitionLost. Raises any other error of the work."""
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
        await asyncio.Event().wait()  # the work is done: the partition stays owned until this is cancelled


def _begin_generation(connection: sqlite3.Connection) -> int:
    """Begin a new generation of the group and return its number. Commits of older generations fail from now on."""
    (generation,) = connection.execute(
        "UPDATE consumer_group SET generation = generation + 1 WHERE partition = ? RETURNING generation", (PARTITION,)
    ).fetchone()
    return int(generation)
