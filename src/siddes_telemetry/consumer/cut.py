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
    lone_age_s: float = float("inf")  # how long it waits where no block began within max_age_s
    max_days: int = 33  # of append: each touches three table days at most, of which the store takes 100 in one insert

    def due_s(self, arrived_s: float, last_block_s: float) -> float:
        """When records of which the oldest came at `arrived_s` are worth a block, however small.

        `last_block_s`: when the last one began. With a short `lone_age_s` a count that comes alone is seen soon; many
        still make no more blocks than one in `max_age_s`.
        """
        rested_s = max(arrived_s + self.lone_age_s, last_block_s + self.max_age_s)
        return min(arrived_s + self.max_age_s, rested_s)


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
    fit = min(
        bisect_right(pending, rows_stored + policy.max_rows, key=lambda item: item.rows_through),
        bisect_right(pending, bytes_stored + policy.max_bytes, key=lambda item: item.bytes_through),
        bisect_right(pending, pending[0].days_through + policy.max_days - 1, key=lambda item: item.days_through),
    )
    if fit < len(pending):
        return max(fit, 1)
    return len(pending) if now_s >= policy.due_s(pending[0].arrived_s, last_block_s) else 0
