"""When pending records become a block, and how many of them. Pure: no clock, no I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import ne

from siddes_telemetry.backends.ports.store import MAX_BLOCK_BYTES, MAX_BLOCK_ROWS
from siddes_telemetry.schemas.ddl import PARTS_OF_A_PARTITION
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.timestamps import DAY_MS

SOURCE_COLUMN_BYTES = 76  # what log_id, log_partition and log_offset add to a line of a record, at most
MIN_BLOCK_BYTES = 1_000_000  # a full record: smaller blocks would cost the store more than memory is worth


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """When pending records become a block: at the first of these limits."""

    max_rows: int = MAX_BLOCK_ROWS
    max_bytes: int = MAX_BLOCK_BYTES
    all_bytes: int = 200_000_000  # of all partitions' blocks: each holds one while the store is away
    max_age_s: float = 1.0  # how long a count may wait to be seen
    max_days: int = 33  # of append: each touches three table days at most, and the store takes 100 in one insert
    parts: int = PARTS_OF_A_PARTITION  # that may be inserted in a while: see part_pace.py
    few_rows: int = 0  # no more rows than these need not wait for others:
    few_age_s: float = 0.0  # they are due this long after the last block began

    def for_each_of(self, partitions: int) -> FlushPolicy:
        """The policy of each partition of a consumer that owns this many."""
        if partitions * self.max_bytes <= self.all_bytes:
            return self
        share = max(self.all_bytes // partitions, MIN_BLOCK_BYTES)
        return replace(self, max_bytes=min(self.max_bytes, share))

    def due_s(self, arrived_s: float, rows: int, last_block_s: float) -> float:
        """When pending records are due as a block, however small.

        `arrived_s`: when the oldest arrived; `rows`: how many rows they make; `last_block_s`: when the last block
        began. Few rows are due soon. Many wait, because each block costs the store as much as its rows, and merges.
        """
        of_age_s = arrived_s + self.max_age_s
        return min(of_age_s, max(arrived_s, last_block_s + self.few_age_s)) if rows <= self.few_rows else of_age_s


class PendingRecords:
    """Records that wait to be stored, in order. Parallel lists, no object for each: there may be 200,000.

    `_rows`, `_bytes` and `_days` are running totals before each record, and after the last. Differences give the cost
    of a range of records in a block: exact in rows, an upper bound in bytes. Days are changes of the append day: a
    range spans one day more at most, also where the log's clock went back.
    """

    def __init__(self) -> None:
        self._records: list[LogRecord] = []
        self._arrived_s: list[float] = []  # on the clock of next_block_size's `now_s`
        self._rows, self._bytes, self._days = [0], [0], [0]
        self._last_day: int | None = None

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> LogRecord:
        return self._records[index]

    @property
    def rows(self) -> int:
        """How many rows they make."""
        return self._rows[-1] - self._rows[0]

    @property
    def bytes(self) -> int:
        """How many bytes they make in a block, at most."""
        return self._bytes[-1] - self._bytes[0]

    @property
    def oldest_arrived_s(self) -> float:
        """When the first of them arrived. There must be one."""
        return self._arrived_s[0]

    def extend(self, records: Sequence[LogRecord], arrived_s: float) -> None:
        """Append records."""
        if not records:
            return
        rows = [record.value.count(b"\n") for record in records]
        sizes = [len(record.value) + lines * SOURCE_COLUMN_BYTES for record, lines in zip(records, rows, strict=True)]
        days = [record.appended_at_ms // DAY_MS for record in records]
        before = [days[0] if self._last_day is None else self._last_day, *days[:-1]]
        self._last_day = days[-1]
        self._rows += accumulate(rows, initial=self._rows.pop())
        self._bytes += accumulate(sizes, initial=self._bytes.pop())
        self._days += accumulate(map(ne, before, days), initial=self._days.pop())
        self._records += records
        self._arrived_s += [arrived_s] * len(records)

    def first(self, count: int) -> Sequence[LogRecord]:
        """The first `count` records."""
        return self._records[:count]

    def drop(self, count: int) -> None:
        """Remove the first `count` records: they are stored."""
        for column in (self._records, self._arrived_s, self._rows, self._bytes, self._days):
            del column[:count]

    def fitting(self, policy: FlushPolicy) -> int:
        """How many records, from the first, fit into a block. There must be one."""
        rows, size, days = self._rows, self._bytes, self._days
        return min(
            bisect_right(rows, rows[0] + policy.max_rows) - 1,
            bisect_right(size, size[0] + policy.max_bytes) - 1,
            bisect_right(days, days[1] + policy.max_days - 1) - 1,
        )


def next_block_size(
    pending: PendingRecords, *, now_s: float, policy: FlushPolicy, last_block_s: float = float("-inf")
) -> int:
    """How many pending records, from the first, form the next block now; 0 is to wait.

    A due block has at least one record, however large: the gateway bounds records far below a block.
    """
    if not pending:
        return 0
    fit = pending.fitting(policy)
    if fit < len(pending):
        return max(fit, 1)
    return len(pending) if now_s >= policy.due_s(pending.oldest_arrived_s, pending.rows, last_block_s) else 0
