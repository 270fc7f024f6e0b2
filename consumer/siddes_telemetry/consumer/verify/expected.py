"""Computes the rows that records must have left in the store, by the same rules as the consumer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports.store import RowSums
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import RowTotals, Source, decode_all, rows_to_store
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import CHECKSUM_MODULUS, row_checksum


@dataclass(slots=True)
class Expected:
    """What consecutive records must have left. Excluded rows (exclusions.py) are in `left_out_rows` only."""

    rows: list[tuple[str, bytes]] = field(default_factory=list)  # (created_at, line of table.encode_row)
    sums: RowSums = field(default_factory=RowSums)  # of `rows`
    records: int = 0
    left_out_rows: int = 0
    repeated_batches: int = 0  # retries of clients: their rows are not stored
    dead_letters: list[int] = field(default_factory=list)  # offsets of unreadable records

    def extend(self, other: Expected) -> None:
        """Add what the records that follow must have left."""
        self.rows += other.rows
        self.sums += other.sums
        self.records += other.records
        self.left_out_rows += other.left_out_rows
        self.repeated_batches += other.repeated_batches
        self.dead_letters += other.dead_letters


def expect(
    records: Sequence[LogRecord], window: RetryWindow, *, source: Source, registry: Registry, exclusions: Exclusions
) -> Expected:
    """Returns what these records must have left. Moves `window` from the first record past the last one.

    Raises UnreadableHereError.
    """
    decoded = decode_all(records, source.partition, registry)
    totals = RowTotals()
    rows: list[tuple[str, bytes]] = []
    left_out_rows = counts = checksum = 0
    for created_at, count, line in rows_to_store(decoded, window, source, totals):
        if exclusions.has_created(created_at, line):
            left_out_rows += 1
            continue
        rows.append((created_at, line))
        counts += count
        checksum += row_checksum(line)
    if records:
        window.advance(decoded.window_entries, records[-1].end)
    return Expected(
        rows,
        RowSums(len(rows), counts, checksum % CHECKSUM_MODULUS),
        len(records),
        left_out_rows,
        totals.repeated_batches,
        [letter.offset for letter in decoded.dead_letters],
    )
