"""An operator's decisions to set records aside: no version counts them, whether it could read them or not. Pure.

A partition halts at a record which this installation cannot read, but another one might. An operator may ask for the
partition to go on without it. The request is a row in the store and has no effect by itself: another owner may be
reading that record just then. The owner that has reached the record, with everything before it stored, makes the
decision as it makes a block:

    state        event                                next        does
    HALTED at a  a request to set a aside             COMMITTING  commits offset a with the intent "aside to b"
    COMMITTING   the commit is confirmed              IN FORCE    adds the dead letter, writes the row [a, b)
    COMMITTING   no answer, or a new generation       LOST        leaves; the next owner finds the intent, or halts
    IN FORCE     [a, b) is read again, by anybody     IN FORCE    is replaced by one dead letter at a

Decisions are applied before any record is decoded, so a version that could read [a, b) drops it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.schemas.record import SET_ASIDE, Defect, LogRecord


class SetAsideDecisions:
    """The decisions of one partition that are in force. `requested`: offsets of requests without a decision."""

    def __init__(self, decided: Iterable[SetAside] = ()) -> None:
        self._decided = tuple(decided)
        self._ends = {each.start: each.end for each in self._decided if each.end is not None}
        self._last_end = max(self._ends.values(), default=0)
        self.requested = frozenset(each.start for each in self._decided if each.end is None) - self._ends.keys()

    def apply(self, records: Sequence[LogRecord]) -> Sequence[LogRecord]:
        """Returns the records, with one record with a defect instead of those of each decision."""
        if not records or records[0].offset >= self._last_end:
            return records
        return [applied for record in records for applied in self._applied(record)]

    def including(self, decision: SetAside) -> SetAsideDecisions:
        """Returns these decisions and another one."""
        return SetAsideDecisions((*self._decided, decision))

    def _applied(self, record: LogRecord) -> Sequence[LogRecord]:
        end = self._ends.get(record.offset)
        if end is None:
            inside = any(start < record.offset < end for start, end in self._ends.items())
            return () if inside else (record,)
        aside = record._replace(defect=Defect(SET_ASIDE, end))
        if record.defect is None or record.end <= end:
            return (aside,)
        # Another version may have decoded the record batch and set one of its records aside: the rest still halts.
        return aside, *self._applied(record._replace(offset=end))
