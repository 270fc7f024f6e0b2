"""Where a block ends. Pure: the same pending records, time and policy give the same cut."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.schemas.record import LogRecord

SOURCE_COLUMN_BYTES = 76  # what log_id, log_partition and log_offset add to a line of a record, at most
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """When pending records become a block: at the first of these."""

    max_rows: int = 200_000  # the store takes a block of this size as one, whatever its profile says
    max_bytes: int = 16_000_000  # the same; also what one partition's block may cost in memory
    max_age_s: float = 1.0  # how long a count may wait to be seen
    max_days: int = 33  # of append: each touches three table days at most, of which the store takes 100 in one insert
    few_rows: int = 0  # no more than these need not wait for others:
    few_age_s: float = 0.0  # they go as soon as the last block began so long ago

    def due_s(self, arrived_s: float, rows: int, last_block_s: float) -> float:
        """When pending records are worth a block, however small.

        `arrived_s`: when the oldest came; `rows`: how many they come to; `last_block_s`: when the last block began. A
        few are seen soon; many wait, so that blocks are few: each costs the store as much as its rows, and merges.
        """
        of_age_s = arrived_s + self.max_age_s
        return min(of_age_s, max(arrived_s, last_block_s + self.few_age_s)) if rows <= self.few_rows else of_age_s


@dataclass(frozen=True, slots=True)
class Pending:
    """A record that waits to be stored. `arrived_s` is on the monotonic clock of `cut`'s `now_s`.

    `rows_through` and `bytes_through` count it and all that arrived before it, stored ones included: differences
    tell what a run of records costs in a block (exactly in rows, at most in bytes). `days_through` counts how often
    the day of append changed up to it: a run spans one day more at most, also where the log's clock went back.
    """

    record: LogRecord
    arrived_s: float
    rows_through: int
    bytes_through: int
    days_through: int


def enqueue(record: LogRecord, arrived_s: float, last: Pending | None) -> Pending:
    """The record as the one after `last`."""
    rows = record.value.count(b"\n")
    size = len(record.value) + rows * SOURCE_COLUMN_BYTES
    days = 0
    if last is not None:
        rows, size = rows + last.rows_through, size + last.bytes_through
        days = last.days_through + (record.appended_at_ms // DAY_MS != last.record.appended_at_ms // DAY_MS)
    return Pending(record, arrived_s, rows, size, days)


def cut(
    pending: Sequence[Pending],
    before: Pending | None,
    *,
    now_s: float,
    policy: FlushPolicy,
    last_block_s: float = float("-inf"),
) -> int:
    """How many of the pending records, from the first, are worth a block now; 0 is to wait.

    `before` is the record enqueued before the first of them. Once it is time at least one record is taken, however
    large it is: the gateway bounds records far below a block.
    """
    if not pending:
        return 0
    rows_stored, bytes_stored = (before.rows_through, before.bytes_through) if before else (0, 0)
    rows = pending[-1].rows_through - rows_stored
    fit = min(
        bisect_right(pending, rows_stored + policy.max_rows, key=lambda item: item.rows_through),
        bisect_right(pending, bytes_stored + policy.max_bytes, key=lambda item: item.bytes_through),
        bisect_right(pending, pending[0].days_through + policy.max_days - 1, key=lambda item: item.days_through),
    )
    if fit < len(pending):
        return max(fit, 1)
    return len(pending) if now_s >= policy.due_s(pending[0].arrived_s, rows, last_block_s) else 0
