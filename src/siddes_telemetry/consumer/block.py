"""From records to the block that is stored: the rows by table day, and what was left out of them and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports import DeadLetter
from siddes_telemetry.consumer.retry_window import Occurrence, RetryWindow
from siddes_telemetry.schemas.record import NO_BATCH, BadRecordError, ClientBatch, LogRecord, decode, format_time
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import encode_row

MAX_CLOCK_SKEW_MS = 600_000  # beyond this a gateway's clock is wrong, and the log's is taken


@dataclass(frozen=True, slots=True)
class Source:
    """Whose records these are: written beside each row, and part of the token."""

    log_id: int
    partition: int


@dataclass(slots=True)
class DayRows:
    """The rows of one table day, as the store takes them."""

    lines: list[bytes] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Block:
    """The records of [start, end) as they are to be stored. `days` is keyed by YYYY-MM-DD, UTC."""

    start: int
    end: int
    days: dict[str, DayRows]
    dead_letters: tuple[DeadLetter, ...]
    occurrences: tuple[Occurrence, ...]  # to enter into the retry window once the block is stored
    repeated_batches: int
    repeated_rows: int
    repeated_counts: int
    reclocked_rows: int
    counts: int  # the sum of the rows' counts

    @property
    def rows(self) -> int:
        return sum(day.rows for day in self.days.values())

    def bytes_of(self, days: Sequence[str]) -> bytes:
        """The lines of these days, in the order given."""
        return b"".join(line for day in days for line in self.days[day].lines)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records with their client batches: none where one is unreadable, which stands among the dead letters too."""

    records: tuple[tuple[LogRecord, tuple[ClientBatch, ...]], ...]
    dead_letters: tuple[DeadLetter, ...]

    @property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """The keyed batches by record. Keys of dead-lettered records did not occur; their append times did."""
        return tuple(
            Occurrence(record.appended_at_ms, tuple(batch.key for batch in batches if batch.key != NO_BATCH))
            for record, batches in self.records
        )


def decode_all(records: Sequence[LogRecord], partition: int, registry: Registry) -> Decoded:
    """Raises NewerSchemaError where one was written by a newer version."""
    read: list[tuple[LogRecord, tuple[ClientBatch, ...]]] = []
    dead: list[DeadLetter] = []
    for record in records:
        try:
            read.append((record, decode(record, registry)))
        except BadRecordError as error:
            dead.append(DeadLetter(partition, record.offset, error.reason, record.value, record.headers))
            read.append((record, ()))
    return Decoded(tuple(read), tuple(dead))


def build_block(
    records: Sequence[LogRecord], start: int, end: int, *, source: Source, registry: Registry, window: RetryWindow
) -> Block:
    """The block of [start, end), given all of its records and the retry window at `start`, which is not changed.

    Raises NewerSchemaError.
    """
    decoded = decode_all(records, source.partition, registry)
    occurrences = decoded.occurrences
    days: dict[str, DayRows] = {}
    repeated_batches = repeated_rows = repeated_counts = reclocked_rows = counts = 0
    for (record, batches), answers in zip(decoded.records, window.repeats(occurrences), strict=True):
        repeated = iter(answers)
        for batch in batches:
            if batch.key != NO_BATCH and next(repeated):
                repeated_batches += 1
                repeated_rows += len(batch.lines)
                repeated_counts += sum(line.count for line in batch.lines)
                continue
            for line in batch.lines:
                created_at_ms = line.created_at_ms
                if abs(created_at_ms - record.appended_at_ms) > MAX_CLOCK_SKEW_MS:
                    created_at_ms = record.appended_at_ms
                    reclocked_rows += 1
                created_at = format_time(created_at_ms)
                counts += line.count
                row = encode_row(line, created_at, source.log_id, source.partition, record.offset)
                days.setdefault(created_at[:10], DayRows()).lines.append(row)
    return Block(
        start,
        end,
        days,
        decoded.dead_letters,
        occurrences,
        repeated_batches,
        repeated_rows,
        repeated_counts,
        reclocked_rows,
        counts,
    )
