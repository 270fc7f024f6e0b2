"""Builds the block of an offset range from its records. Pure.

Fast path: the lines of a canonical run are stored as they are, each with its source appended. Slow path, line by line
(rows.py): records that are not canonical, and canonical ones with a repeated batch or a clock that is far off. Both
paths give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.consumer.block import Block, DayRows
from siddes_telemetry.consumer.record_reader import RecordReader, Segment
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import MAX_CLOCK_SKEW_MS, Decoded, RowTotals, Source, rows_of
from siddes_telemetry.consumer.window_entries import locate_entries
from siddes_telemetry.schemas.canonical import CanonicalRun
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import encode_canonical_rows

_Repeats = Mapping[int, Sequence[bool]]
"""By offset, of records with a repeated batch: which of the record's keys are repeated."""


@dataclass(slots=True)
class _DayBuilder:
    """A day's rows while the block is built; each piece is some whole lines."""

    pieces: list[bytes] = field(default_factory=list)
    rows: int = 0


def build_block(
    records: Sequence[LogRecord], start: int, end: int, *, source: Source, registry: Registry, window: RetryWindow
) -> Block:
    """The block of [start, end), given all of its records and the retry window at `start`, which is not changed.

    Raises UnreadableHereError.
    """
    reader = RecordReader(source.partition, registry)
    segments = list(reader.read(records))
    located_entries = locate_entries(segments)
    repeats = _find_repeats(located_entries, window)
    days: dict[str, _DayBuilder] = {}
    dead: list[DeadLetter] = []
    totals = RowTotals()
    for segment_records, read in _decode_where_rows_differ(reader, segments, repeats):
        if isinstance(read, CanonicalRun):
            day = days.setdefault(read.day, _DayBuilder())
            day.pieces += encode_canonical_rows(segment_records, source.log_id, source.partition)
            day.rows += read.rows
            totals.counts += read.counts
        else:
            dead += read.dead_letters
            for created_at, count, row in _rows_of_decoded(read, repeats, source, totals):
                day = days.setdefault(created_at[:10], _DayBuilder())
                day.pieces.append(row)
                day.rows += 1
                totals.counts += count
    built = {name: DayRows(b"".join(day.pieces), day.rows) for name, day in days.items()}
    return Block(start, end, built, tuple(dead), located_entries, totals)


def _find_repeats(located_entries: Sequence[tuple[int, WindowEntry]], window: RetryWindow) -> _Repeats:
    repeated = window.find_repeats(entry for _, entry in located_entries)
    return {offset: keys for (offset, _), keys in zip(located_entries, repeated, strict=True) if any(keys)}


def _decode_where_rows_differ(
    reader: RecordReader, segments: Iterable[Segment], repeats: _Repeats
) -> Iterator[Segment]:
    """The segments, with runs broken up so that every canonical one is stored as it is."""
    for records, read in segments:
        if isinstance(read, Decoded) or _is_stored_as_it_is(records, read, repeats):
            yield records, read
            continue
        for record in records:
            alone, read_alone = reader.read_one(record, may_be_canonical=len(records) > 1)
            if isinstance(read_alone, CanonicalRun) and not _is_stored_as_it_is(alone, read_alone, repeats):
                yield reader.read_one(record, may_be_canonical=False)
            else:
                yield alone, read_alone


def _is_stored_as_it_is(records: Sequence[LogRecord], run: CanonicalRun, repeats: _Repeats) -> bool:
    """Whether its rows are exactly its lines: no clock is far off, and no batch is repeated."""
    appended_ms = [record.appended_at_ms for record in records]
    if run.latest_ms - min(appended_ms) > MAX_CLOCK_SKEW_MS or max(appended_ms) - run.earliest_ms > MAX_CLOCK_SKEW_MS:
        return False
    return not repeats or repeats.keys().isdisjoint([record.offset for record in records])


def _rows_of_decoded(
    decoded: Decoded, repeats: _Repeats, source: Source, totals: RowTotals
) -> Iterator[tuple[str, int, bytes]]:
    for (record, batches), keys in zip(decoded.records, decoded.keys, strict=True):
        repeated = repeats.get(record.offset) or [False] * len(keys)
        yield from rows_of(record, batches, repeated, source, totals)
