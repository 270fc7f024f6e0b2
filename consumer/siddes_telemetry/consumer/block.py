"""A block: the records of an offset range as the store takes them, rows by table day. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.rows import RowTotals


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of one table day: lines of table.encode_row."""

    lines: bytes = field(repr=False)
    rows: int


@dataclass(frozen=True)
class Block:
    """The records of [start, end) as they are to be stored. `days` is keyed by YYYY-MM-DD, UTC.

    `located_entries`: entries to add to the retry window once the block is stored, each with its first offset. A run
    of records without keys is one entry: it only advances the log's clocks.
    """

    start: int
    end: int
    days: dict[str, DayRows]
    dead_letters: tuple[DeadLetter, ...]
    located_entries: tuple[tuple[int, WindowEntry], ...]
    totals: RowTotals

    @property
    def rows(self) -> int:
        return sum(day.rows for day in self.days.values())

    @property
    def window_entries(self) -> tuple[WindowEntry, ...]:
        """The entries without their offsets."""
        return tuple(entry for _, entry in self.located_entries)

    def bytes_of(self, days: Sequence[str]) -> bytes:
        """The lines of these days, in the order given. Most blocks have one day, which is not copied."""
        if len(days) == 1:
            return self.days[days[0]].lines
        return b"".join([self.days[day].lines for day in days])
