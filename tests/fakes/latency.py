"""A group consumer and a store in memory whose every call takes its time, so that anything can happen in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed, GroupConsumer, OwnedPartition, PartitionWork
from siddes_telemetry.backends.ports.store import StoredDay
from siddes_telemetry.schemas.record import LogRecord
from tests.fakes.memory_store import MemoryStore

Delay = Callable[[], float]  # seconds


class SlowGroupConsumer:
    """A GroupConsumer whose partitions answer late: each call may be cancelled before and after it took effect."""

    def __init__(self, group_consumer: GroupConsumer, delay: Delay) -> None:
        self._group_consumer = group_consumer
        self._delay = delay
        self.reads: list[tuple[int, int]] = []  # the ranges that were read apart from the stream

    async def run(self, work: PartitionWork) -> None:
        await self._group_consumer.run(lambda partition: work(SlowPartition(partition, self._delay, self.reads)))

    async def ping(self) -> None:
        await self._group_consumer.ping()


class SlowPartition:
    """An OwnedPartition that answers late."""

    def __init__(self, partition: OwnedPartition, delay: Delay, reads: list[tuple[int, int]]) -> None:
        self._partition = partition
        self._delay = delay
        self._reads = reads

    @property
    def number(self) -> int:
        return self._partition.number

    async def committed(self) -> Committed | None:
        await self._travel()
        return await self._partition.committed()

    async def commit_offset(self, offset: int, metadata: str) -> None:
        await self._travel()
        await self._partition.commit_offset(offset, metadata)
        await self._travel()

    async def bounds(self) -> tuple[int, int]:
        await self._travel()
        return await self._partition.bounds()

    async def offset_at(self, appended_at_ms: int) -> int | None:
        await self._travel()
        return await self._partition.offset_at(appended_at_ms)

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        self._reads.append((start, end))
        async for piece in self._partition.read(start, end):
            await self._travel()
            yield piece

    @property
    def position(self) -> int:
        return self._partition.position

    async def seek(self, offset: int) -> None:
        await self._partition.seek(offset)

    async def fetch(self) -> Sequence[LogRecord]:
        await self._travel()
        return await self._partition.fetch()

    async def high_watermark(self) -> int:
        return await self._partition.high_watermark()

    async def _travel(self) -> None:
        await asyncio.sleep(self._delay())


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one insert. Table days are written one after the other, each whole or not at all."""

    day_s: float = 0.0  # to write one day
    days: int | None = None  # the server dies after this many; None: it writes all of them
    answers: bool = True  # False: all is written, and the answer is lost
    tokens_first: bool = False  # the token of a day is there before it begins, not when it ends


class SlowStore(MemoryStore):
    """An insert goes on in the server when the client that sent it is long gone."""

    def __init__(self, fate: Callable[[], Fate], delay: Delay = lambda: 0.0) -> None:
        super().__init__()
        self.fate = fate
        self._delay = delay  # of answers to questions
        self.serving: set[asyncio.Task[None]] = set()

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        self.attempts.append((token, block))
        task = asyncio.ensure_future(self._serve(block, token, self.fate()))
        self.serving.add(task)
        task.add_done_callback(self._served)
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.shield(task)
        except TimeoutError:
            raise StoreUnavailable from None

    async def settled(self) -> None:
        """Return when no insert is under way any more."""
        await asyncio.gather(*self.serving, return_exceptions=True)

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        await asyncio.sleep(self._delay())
        return await super().stored_days(log_id, partition, from_offset)

    def _served(self, task: asyncio.Task[None]) -> None:
        self.serving.discard(task)
        if not task.cancelled():
            task.exception()  # heard, also where the client is gone

    async def _serve(self, block: bytes, token: str, fate: Fate) -> None:
        self._check()
        days = sorted({self._row(line).day for line in block.splitlines()})
        for day in days[: fate.days]:
            fresh = self._take_tokens(block, token, days={day}) if fate.tokens_first else []
            await asyncio.sleep(fate.day_s)
            self.rows.extend(fresh or self._take_tokens(block, token, days={day}))
        if not fate.answers or (fate.days is not None and fate.days < len(days)):
            raise StoreUnavailable
