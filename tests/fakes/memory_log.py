"""A log in memory: every protocol of a log, several partitions, several readers in one group, and hooks to be unkind.

Partitions move one by one: the task of one that must move is cancelled and awaited, then it is given away under a
new generation. A commit under an older generation raises PartitionLost, as a broker would refuse it.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost, RecordsGone
from siddes_telemetry.backends.ports.log import Committed, DeadLetter, DeadLetterEntry, PartitionView, PartitionWork
from siddes_telemetry.schemas.record import Headers, LogRecord

_offset = attrgetter("offset")


@dataclass
class _Partition:
    records: list[LogRecord] = field(default_factory=list)
    first: int = 0
    next: int = 0
    committed: Committed | None = None
    generation: int = 0
    turn: int = 0  # moves it on to the next member
    owner: MemoryGroupConsumer | None = None
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def since(self, offset: int) -> Sequence[LogRecord]:
        if offset < self.first:
            raise RecordsGone(self.first)
        return self.records[bisect_left(self.records, offset, key=_offset) :]


class MemoryLog:
    """A LogAppender and a LogView; `group_consumer()` makes GroupConsumers, `dead_letters` is a DeadLetters."""

    origin = 0

    def __init__(self, partitions: int = 1, *, now_ms: int = 1_790_000_000_000, piece: int = 1000) -> None:
        self.now_ms = now_ms  # the clock of append times: tests set it
        self.available = True  # False: everything raises LogUnavailable
        self.piece = piece  # most records in one answer of fetch and read
        self.dead_letters = MemoryDeadLetters(self)
        self._partitions = [_Partition() for _ in range(partitions)]
        self._members: list[MemoryGroupConsumer] = []
        self._lost_answers: list[bool] = []

    # LogAppender

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        await self.answer()
        p = self._partitions[partition]
        p.records.append(LogRecord(p.next, self.now_ms, value, headers))
        self.skip(partition, 1)

    async def ping(self) -> None:
        await self.answer()

    async def close(self) -> None:
        """Nothing is ever in flight."""

    # LogView

    async def partitions(self) -> Sequence[PartitionView]:
        await self.answer()
        return [MemoryPartition(self, number, generation=-1) for number in range(len(self._partitions))]

    # What tests look at, and do

    def group_consumer(self) -> MemoryGroupConsumer:
        return MemoryGroupConsumer(self)

    def records(self, partition: int) -> Sequence[LogRecord]:
        return tuple(self._partitions[partition].records)

    def committed(self, partition: int) -> Committed | None:
        return self._partitions[partition].committed

    def set_committed(self, partition: int, committed: Committed | None) -> None:
        """Rewind or forget what the group has committed."""
        self._partitions[partition].committed = committed

    def forget_offsets(self) -> None:
        for p in self._partitions:
            p.committed = None

    def trim(self, partition: int, first: int) -> None:
        """Remove the records below `first`."""
        p = self._partitions[partition]
        p.records = [record for record in p.records if record.offset >= first]
        p.first = first

    def skip(self, partition: int, offsets: int) -> None:
        """Leave out offsets, as Kafka's control records do."""
        p = self._partitions[partition]
        p.next += offsets
        p.grown.set()
        p.grown = asyncio.Event()

    def lose_next_commit(self, *, applied: bool) -> None:
        """The next commit gets no answer: it raises PartitionLost, having been kept (`applied`) or not."""
        self._lost_answers.append(applied)

    def fence(self, partition: int) -> None:
        """Begin a new generation behind its owner's back: the owner learns of it when it commits."""
        self._partitions[partition].generation += 1

    def revoke(self, partition: int) -> None:
        """Take the partition away; once its task ended it is given anew, to the next member where there are two."""
        p = self._partitions[partition]
        p.turn += 1
        if p.owner is not None:
            p.owner.release(partition)

    # Between the log and its readers

    async def answer(self) -> None:
        await asyncio.sleep(0)
        if not self.available:
            raise LogUnavailable

    def partition(self, number: int) -> _Partition:
        return self._partitions[number]

    def commit_offset(self, number: int, committed: Committed) -> None:
        lost = bool(self._lost_answers)
        if not lost or self._lost_answers.pop(0):
            self._partitions[number].committed = committed
        if lost:
            raise PartitionLost

    def join(self, member: MemoryGroupConsumer) -> None:
        self._members.append(member)
        self.share_out()

    async def leave(self, member: MemoryGroupConsumer, tasks: Sequence[asyncio.Task[None]]) -> None:
        """It gets no more partitions from now on; those it has go to others once its tasks ended."""
        self._members.remove(member)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for p in self._partitions:
            if p.owner is member:
                p.owner = None
                p.generation += 1
        self.share_out()

    def share_out(self) -> None:
        for number, p in enumerate(self._partitions):
            wanted = self._members[(number + p.turn) % len(self._members)] if self._members else None
            if p.owner is None and wanted is not None:
                p.owner = wanted
                p.generation += 1
                wanted.own(number, p.generation)
            elif p.owner is not None and p.owner is not wanted:
                p.owner.release(number)


class MemoryGroupConsumer:
    """A member of the one group of a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @property
    def owned(self) -> set[int]:
        return set(self._tasks)

    async def run(self, work: PartitionWork) -> None:
        self._work = work
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log.join(self)
        try:
            await self._failed
        finally:
            tasks, self._tasks = list(self._tasks.values()), {}
            await self._log.leave(self, tasks)

    async def ping(self) -> None:
        await self._log.answer()

    def own(self, number: int, generation: int) -> None:
        task = asyncio.ensure_future(self._work(MemoryPartition(self._log, number, generation)))
        self._tasks[number] = task
        task.add_done_callback(lambda ended: self._ended(number, ended))

    def release(self, number: int) -> None:
        if number in self._tasks:
            self._tasks[number].cancel()

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(number) is not task:
            return  # run is ending, and awaits its tasks itself
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PartitionLost):
            if not self._failed.done():
                self._failed.set_exception(error)
        elif error is not None or task.cancelled():
            del self._tasks[number]
            self._log.partition(number).owner = None
            self._log.share_out()


class MemoryPartition:
    """An OwnedPartition of a MemoryLog."""

    def __init__(self, log: MemoryLog, number: int, generation: int) -> None:
        self._log = log
        self._number = number
        self._generation = generation
        self._partition = log.partition(number)
        self._position: int | None = None

    @property
    def number(self) -> int:
        return self._number

    async def committed(self) -> Committed | None:
        await self._log.answer()
        return self._partition.committed

    async def commit_offset(self, offset: int, metadata: str) -> None:
        await asyncio.sleep(0)
        if not self._log.available or self._generation != self._partition.generation:
            raise PartitionLost
        try:
            self._log.commit_offset(self._number, Committed(offset, metadata))
        except PartitionLost:
            self._generation = -1  # given up: no later commit of this owner may pass
            raise

    async def bounds(self) -> tuple[int, int]:
        await self._log.answer()
        return self._partition.first, self._partition.next

    async def offset_at(self, appended_at_ms: int) -> int | None:
        await self._log.answer()
        return next((r.offset for r in self._partition.records if r.appended_at_ms >= appended_at_ms), None)

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        while start < end:
            await self._log.answer()
            piece = [r for r in self._partition.since(start)[: self._log.piece] if r.offset < end]
            if not piece:
                return
            yield piece
            start = piece[-1].offset + 1

    async def seek(self, offset: int) -> None:
        self._position = offset

    @property
    def position(self) -> int:
        if self._position is None:
            raise RuntimeError("seek comes first")
        return self._position

    async def fetch(self) -> Sequence[LogRecord]:
        while True:
            await self._log.answer()
            grown = self._partition.grown
            if piece := self._partition.since(self.position)[: self._log.piece]:
                self._position = piece[-1].end
                return piece
            if self.position < self._partition.next:
                self._position = self._partition.next
                return ()
            await grown.wait()

    async def high_watermark(self) -> int:
        return self._partition.next


class MemoryDeadLetters:
    """DeadLetters beside a MemoryLog; `letters` holds them by place."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.letters: dict[tuple[int, int], DeadLetter] = {}

    async def append(self, letter: DeadLetter) -> None:
        await self._log.answer()
        self.letters.setdefault((letter.partition, letter.offset), letter)

    async def entries(self) -> Sequence[DeadLetterEntry]:
        await self._log.answer()
        return [
            DeadLetterEntry(each.partition, each.offset, each.reason, len(each.value))
            for _, each in sorted(self.letters.items())
        ]
