"""Reading a log whose operator has set records aside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from siddes_telemetry.backends.ports.errors import LogStalled
from siddes_telemetry.backends.ports.log import OwnedPartition, PartitionView
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.schemas.record import LOG_DAMAGED, Defect, LogRecord


async def read_past_set_aside(
    view: PartitionView, decisions: SetAsideDecisions, start: int, end: int
) -> AsyncIterator[Sequence[LogRecord]]:
    """view.read, on over what is damaged and set aside; what is damaged and not set aside is the last record given.

    SetAsideDecisions are not applied yet.
    """
    while start < end:
        try:
            async for piece in view.read(start, end):
                start = piece[-1].end
                yield piece
        except LogStalled:
            damaged = LogRecord(start, 0, b"", (), Defect(LOG_DAMAGED, start + 1))
            yield (damaged,)
            (decided, *_) = decisions.apply((damaged,)) or (damaged,)
            if decided.defect is None or decided.defect.reason == LOG_DAMAGED:
                return
            start = decided.end
        else:
            return


class FilteredPartition:
    """An OwnedPartition that applies `decisions` to the records it returns."""

    def __init__(self, partition: OwnedPartition) -> None:
        self.decisions = SetAsideDecisions()
        self._partition = partition
        self.number = partition.number
        self.committed = partition.committed
        self.bounds = partition.bounds
        self.offset_at = partition.offset_at
        self.commit_offset = partition.commit_offset
        self.seek = partition.seek
        self.high_watermark = partition.high_watermark

    @property
    def position(self) -> int:
        return self._partition.position

    async def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for piece in read_past_set_aside(self._partition, self.decisions, start, end):
            if records := self.decisions.apply(piece):
                yield records

    async def fetch(self) -> Sequence[LogRecord]:
        return self.decisions.apply(await self._partition.fetch())
