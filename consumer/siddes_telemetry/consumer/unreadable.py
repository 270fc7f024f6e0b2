"""Records that only another installation can read: they halt their partition until they are readable or set aside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from siddes_telemetry.backends.ports.errors import RecordsGone
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.halt import UNREADABLE_HERE
from siddes_telemetry.consumer.halt_reporter import HaltReporter
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.consumer.set_aside.filtered_partition import FilteredPartition
from siddes_telemetry.consumer.store_retry import StoreRetry
from siddes_telemetry.schemas.record import LOG_DAMAGED, LogRecord
from siddes_telemetry.schemas.record_decoding import halt_reason
from siddes_telemetry.schemas.registry import Registry

Result = TypeVar("Result")


class UnreadableRecord(NamedTuple):
    """A record that this installation cannot read, and the reason in one word."""

    record: LogRecord
    reason: str


class ReadAgainError(Exception):
    """The records held one that is unreadable here. It may be readable, or set aside, by now: read them again."""


def first_unreadable(records: Sequence[LogRecord], registry: Registry) -> tuple[int, str] | None:
    """(index, reason) of the first record that only another installation can read. Neighbours may share headers."""
    known = None
    for index, (_, _, _, headers, defect) in enumerate(records):
        if headers is not known or defect is not None:
            if (reason := halt_reason(records[index], registry)) is not None:
                return index, reason
            known = headers if defect is None else None  # with a defect, the headers were not looked at
    return None


class UnreadableRecords:
    """Halts one owned partition at unreadable records, and knows which of them are set aside."""

    def __init__(
        self, partition: FilteredPartition, store: StoreRetry, halts: HaltReporter, ctx: ConsumerContext
    ) -> None:
        self._partition = partition
        self._store = store
        self._halts = halts
        self._ctx = ctx
        self._source = Source(0, partition.number)

    async def begin(self, source: Source) -> None:
        """Load the decisions about this log's partition."""
        self._source = source
        await self.load_decisions()

    async def load_decisions(self) -> None:
        """Apply to the partition's records what operators have decided by now."""
        source = self._source
        self._partition.decisions = SetAsideDecisions(
            await self._store.ask(lambda: self._ctx.store.set_asides(source.log_id, source.partition))
        )

    def decide(self, start: int, end: int) -> None:
        """Apply the decision that [start, end) is set aside, which is about to be written."""
        self._partition.decisions = self._partition.decisions.including(SetAside(start, end))

    async def read_range(self, start: int, end: int) -> Sequence[LogRecord]:
        """The records of [start, end), as soon as all are readable."""

        async def read() -> Sequence[LogRecord]:
            records = [record async for piece in self._partition.read(start, end) for record in piece]
            await self.check(records)
            return records

        return await self.until_readable(read)

    async def until_readable(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `read`, which has `check` look at what it reads; repeated while that halts."""
        halted = False
        while True:
            try:
                result = await read()
            except ReadAgainError:
                halted = True
            else:
                if halted:
                    self._halts.clear()
                return result

    async def check(self, records: Sequence[LogRecord]) -> None:
        """If one of these is unreadable here, halt for a while, then raise ReadAgainError."""
        found = first_unreadable(records, self._ctx.registry)
        if found is not None:
            index, reason = found
            await self._halts.report_and_pause(UNREADABLE_HERE[reason], records[index].offset)
            await self.load_decisions()
            raise ReadAgainError

    def is_to_be_set_aside(self, record: LogRecord) -> bool:
        """Whether an operator asked for it."""
        return record.offset in self._partition.decisions.requested

    async def is_repaired_after_pause(self, unreadable: UnreadableRecord) -> bool:
        """Halt for a while; then tell whether the log gives these offsets again."""
        record, reason = unreadable
        place = f"{self._partition.number}:{record.offset}"
        set_aside = f". To go on without it, for good: siddes-telemetry dead-letters --set-aside {place}"
        await self._halts.report_and_pause(UNREADABLE_HERE[reason], record.offset, more_remedy=set_aside)
        await self.load_decisions()
        return reason == LOG_DAMAGED and await self._is_repaired(record)

    async def _is_repaired(self, damaged: LogRecord) -> bool:
        """Whether the log now gives these offsets, even without a record, or begins behind them."""
        try:
            found = [r async for piece in self._partition.read(damaged.offset, damaged.end) for r in piece]
        except RecordsGone:
            return True  # the next `fetch` reports how many
        return all(record.defect is None or record.defect.reason != LOG_DAMAGED for record in found)
