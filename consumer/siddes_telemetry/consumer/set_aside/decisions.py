"""Records that an operator has set aside: they are not counted, whoever could read them.

A partition that halts at a record which only this installation cannot read may be told to go on without it. What an
operator asks for is a row in the store, and binds nobody yet: another owner may be reading the record just then. The
owner that has come to it, with everything before it stored, takes the decision up under its fence:

    state        event                                next        does
    HALTED at a  a row asks to set aside a            DECLARED    commits offset a with the intent "aside to b"
    DECLARED     the commit is confirmed              IN FORCE    adds the dead letter, writes the row [a, b)
    DECLARED     no answer, or another's turn         LOST        leaves; the next owner finds the intent, or halts
    IN FORCE     anybody reads [a, b) again           IN FORCE    is given one dead letter at a instead

Since the decision is looked at before any record is decoded, a version that could read [a, b) decides the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from siddes_telemetry.backends.ports.errors import LogStalled
from siddes_telemetry.backends.ports.log import OwnedPartition, PartitionView
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.schemas.record import LOG_DAMAGED, SET_ASIDE, Defect, LogRecord


class SetAsideDecisions:
    """What was decided of one partition. `requested`: the offsets that wait to be taken up."""

    def __init__(self, decided: Iterable[SetAside] = ()) -> None:
        self._decided = tuple(decided)
        self._ends = {each.start: each.end for each in self._decided if each.end is not None}
        self._last_end = max(self._ends.values(), default=0)
        self.requested = frozenset(each.start for each in self._decided if each.end is None) - self._ends.keys()

    def apply(self, records: Sequence[LogRecord]) -> Sequence[LogRecord]:
        """The records with those that are set aside put as one with a defect for each decision, at its place."""
        if not records or records[0].offset >= self._last_end:
            return records
        return [applied for record in records for applied in self._applied(record)]

    def including(self, decision: SetAside) -> SetAsideDecisions:
        """These and another one, in force."""
        return SetAsideDecisions((*self._decided, decision))

    def _applied(self, record: LogRecord) -> Sequence[LogRecord]:
        end = self._ends.get(record.offset)
        if end is None:
            inside = any(start < record.offset < end for start, end in self._ends.items())
            return () if inside else (record,)
        aside = record._replace(defect=Defect(SET_ASIDE, end))
        if record.defect is None or record.end <= end:
            return (aside,)
        return aside, *self._applied(record._replace(offset=end))  # others could tell the batch's records apart


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
    """An OwnedPartition whose records come as `decisions` has them."""

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
