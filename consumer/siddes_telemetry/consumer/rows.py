"""The rows that records leave in the store, line by line; a repeated batch is dropped here. Pure.

This is the rule. `verify` always applies it; the consumer does where records are not stored as they are
(block_builder.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.schemas.client_batch import NO_BATCH, ClientBatch
from siddes_telemetry.schemas.record import BadRecordError, LogRecord
from siddes_telemetry.schemas.record_decoding import decode
from siddes_telemetry.schemas.record_formats import uses_max_append_time
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time

MAX_CLOCK_SKEW_MS = 600_000  # beyond this the gateway's clock is wrong, and the append time is stored instead


@dataclass(frozen=True, slots=True)
class Source:
    """The log and partition that records come from: written into each row and into the token."""

    log_id: int
    partition: int


@dataclass(slots=True)
class RowTotals:
    """Totals of the rows to store, and of what was not stored as it came."""

    counts: int = 0  # of the rows to store
    repeated_batches: int = 0
    repeated_rows: int = 0
    repeated_counts: int = 0
    reclocked_rows: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records with their client batches. An unreadable record has none, and is among the dead letters."""

    records: tuple[tuple[LogRecord, tuple[ClientBatch, ...]], ...]
    dead_letters: tuple[DeadLetter, ...]

    @property
    def keys(self) -> Sequence[tuple[bytes, ...]]:
        """By record, the keys of its batches that have an id. Those of dead-lettered records did not occur."""
        return [tuple(batch.key for batch in batches if batch.key != NO_BATCH) for _, batches in self.records]

    @property
    def window_entries(self) -> tuple[WindowEntry, ...]:
        """An entry for each record. A dead-lettered record advances the log's clocks as well."""
        return tuple(
            WindowEntry(record.appended_at_ms, keys, uses_max_append_time(record.headers))
            for (record, _), keys in zip(self.records, self.keys, strict=True)
        )


def decode_all(records: Sequence[LogRecord], partition: int, registry: Registry) -> Decoded:
    """Raises UnreadableHereError."""
    decoded: list[tuple[LogRecord, tuple[ClientBatch, ...]]] = []
    dead: list[DeadLetter] = []
    for record in records:
        try:
            decoded.append((record, decode(record, registry)))
        except BadRecordError as error:
            dead.append(DeadLetter(partition, record.offset, error.reason, record.value, record.headers))
            decoded.append((record, ()))
    return Decoded(tuple(decoded), tuple(dead))


def rows_to_store(
    decoded: Decoded, window: RetryWindow, source: Source, totals: RowTotals
) -> Iterator[tuple[str, int, bytes]]:
    """Each row that these records leave in the store: (created_at, count, its line of table.encode_row).

    In log order. `window` is the retry window at the first record, and is not changed.
    """
    for (record, batches), repeated in zip(decoded.records, window.find_repeats(decoded.window_entries), strict=True):
        yield from rows_of(record, batches, repeated, source, totals)


def rows_of(
    record: LogRecord, batches: Sequence[ClientBatch], repeated: Sequence[bool], source: Source, totals: RowTotals
) -> Iterator[tuple[str, int, bytes]]:
    """The rows of one record. `repeated` tells for each of its keys whether that batch is a repeat."""
    is_repeated = iter(repeated)
    for batch in batches:
        if batch.key != NO_BATCH and next(is_repeated):
            totals.repeated_batches += 1
            totals.repeated_rows += len(batch.lines)
            totals.repeated_counts += sum(line.count for line in batch.lines)
            continue
        for line in batch.lines:
            created_at_ms = line.created_at_ms
            if abs(created_at_ms - record.appended_at_ms) > MAX_CLOCK_SKEW_MS:
                created_at_ms = record.appended_at_ms
                totals.reclocked_rows += 1
            created_at = format_time(created_at_ms)
            yield created_at, line.count, encode_row(line, created_at, source.log_id, source.partition, record.offset)
