"""Group membership for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from siddes_telemetry.backends.ports.log import GroupConsumer, OwnedPartition, PartitionWork
from siddes_telemetry.schemas.record import LogRecord

PATIENCE_S = 30  # of a test that waits for what must come; generous: a group takes seconds to gather on a busy broker


@asynccontextmanager
async def member(group_consumer: GroupConsumer, work: PartitionWork) -> AsyncIterator[asyncio.Task[None]]:
    """`group_consumer.run(work)` as a task, ended on the way out."""
    running = asyncio.create_task(group_consumer.run(work))
    try:
        yield running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def owning(group_consumer: GroupConsumer, number: int = 0) -> AsyncIterator[OwnedPartition]:
    """A partition, owned for as long as the block runs."""
    given: asyncio.Queue[OwnedPartition] = asyncio.Queue()

    async def work(partition: OwnedPartition) -> None:
        if partition.number == number:
            given.put_nowait(partition)
        await asyncio.Event().wait()

    async with member(group_consumer, work) as running:
        yield await first_of(given, running)


async def first_of(given: asyncio.Queue[OwnedPartition], running: asyncio.Task[None]) -> OwnedPartition:
    """The assigned partition, or the exception of `run`."""
    getting = asyncio.create_task(given.get())
    await asyncio.wait([getting, running], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done():
        getting.cancel()
        if running.done():
            await running
        raise TimeoutError("no partition was given")
    return await getting


async def records_in(partition: OwnedPartition, start: int, end: int) -> list[LogRecord]:
    """All records of [start, end)."""
    return [record async for piece in partition.read(start, end) for record in piece]


async def everything_in(partition: OwnedPartition) -> list[LogRecord]:
    """All records that are there now."""
    return await records_in(partition, *await partition.bounds())


async def fetched(partition: OwnedPartition, records: int) -> Sequence[LogRecord]:
    """`count` records, by as many fetches as it takes."""
    got: list[LogRecord] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < records:
            got += await partition.fetch()
    return got
