"""From records to the block that is stored: the rows by table day, and what was left out of them and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


@dataclass(slots=True)
class Tally:
    """What rows come to, and how often something was not stored as it came."""

    counts: int = 0  # of the rows to store
    repeated_batches: int = 0
    repeated_rows: int = 0
    repeated_counts: int = 0
    reclocked_rows: int = 0


@dataclass(frozen=True)
class Block:
    """The records of [start, end) as they are to be stored. `days` is keyed by YYYY-MM-DD, UTC."""

    start: int
    end: int
    days: dict[str, DayRows]
    dead_letters: tuple[DeadLetter, ...]
    occurrences: tuple[Occurrence, ...]  # to enter into the retry window once the block is stored
    tally: Tally

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


def rows_to_store(
    decoded: Decoded, window: RetryWindow, source: Source, tally: Tally
) -> Iterator[tuple[int, str, int, bytes]]:
    """Each row that these records leave in the store: (offset, created_at, count, its line of table.encode_row).

    In log order, given the retry window at the first of them, which is not changed. This is the rule of what is stored:
    the consumer and `verify` both go by it.
    """
    for (record, batches), answers in zip(decoded.records, window.repeats(decoded.occurrences), strict=True):
        repeated = iter(answers)
        for batch in batches:
            if batch.key != NO_BATCH and next(repeated):
                tally.repeated_batches += 1
                tally.repeated_rows += len(batch.lines)
                tally.repeated_counts += sum(line.count for line in batch.lines)
                continue
            for line in batch.lines:
                created_at_ms = line.created_at_ms
                if abs(created_at_ms - record.appended_at_ms) > MAX_CLOCK_SKEW_MS:
                    created_at_ms = record.appended_at_ms
                    tally.reclocked_rows += 1
                created_at = format_time(created_at_ms)
                row = encode_row(line, created_at, source.log_id, source.partition, record.offset)
                yield record.offset, created_at, line.count, row


def build_block(
    records: Sequence[LogRecord], start: int, end: int, *, source: Source, registry: Registry, window: RetryWindow
) -> Block:
    """The block of [start, end), given all of its records and the retry window at `start`, which is not changed.

    Raises NewerSchemaError.
    """
    decoded = decode_all(records, source.partition, registry)
    days: dict[str, DayRows] = {}
    tally = Tally()
    for _, created_at, count, row in rows_to_store(decoded, window, source, tally):
        days.setdefault(created_at[:10], DayRows()).lines.append(row)
        tally.counts += count
    return Block(start, end, days, decoded.dead_letters, decoded.occurrences, tally)
