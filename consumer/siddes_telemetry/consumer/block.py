"""From records to the block that is stored: the rows by table day, and what was left out of them and why. Pure.

Canonical records (schemas/canonical.py) are checked a run at a time and stored as they are, with their source. A record
with a repeated batch, a clock that is far off or lines of two days, and whatever is not plainly canonical, goes line by
line (rows.py): both ways lead to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry, keyless_run, merge_runs
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import MAX_CLOCK_SKEW_MS, Decoded, RowTotals, Source, decode_all, rows_of
from siddes_telemetry.schemas.canonical import CanonicalReader, CanonicalRun
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import encode_canonical_rows

RUN_BYTES = 256 * 1024  # checked at once: some thousand lines' worth of objects stay in the processor's cache


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of one table day, as the store takes them: lines of table.encode_row."""

    lines: bytes = field(repr=False)
    rows: int


@dataclass(frozen=True)
class Block:
    """The records of [start, end) as they are to be stored. `days` is keyed by YYYY-MM-DD, UTC.

    `located_entries`: entries to add to the retry window once the block is stored, each with its first offset. A run
    of records without keys is one: all that it does is to move the log's clocks.
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
        """The keyed batches, in order, and what moves the log's clocks."""
        return tuple(entry for _, entry in self.located_entries)

    def bytes_of(self, days: Sequence[str]) -> bytes:
        """The lines of these days, in the order given. Of one day, as most blocks are, no copy."""
        if len(days) == 1:
            return self.days[days[0]].lines
        return b"".join([self.days[day].lines for day in days])


@dataclass(slots=True)
class _Growing:
    """A day's rows while the block is built: some whole lines to a piece."""

    pieces: list[bytes] = field(default_factory=list)
    rows: int = 0


_Part = tuple[Sequence[LogRecord], CanonicalRun | Decoded]  # one or more records, and what was read; one if decoded
_Repeated = Mapping[int, Sequence[bool]]  # by offset, of records with a batch that repeats another: which of its keys


def build_block(
    records: Sequence[LogRecord], start: int, end: int, *, source: Source, registry: Registry, window: RetryWindow
) -> Block:
    """The block of [start, end), given all of its records and the retry window at `start`, which is not changed.

    Raises UnreadableHereError.
    """
    reader = _Reader(source.partition, registry)
    parts = list(reader.read(records))
    occurred = _occurred(parts)
    repeated = _repeated(occurred, window)
    days: dict[str, _Growing] = {}
    dead: list[DeadLetter] = []
    totals = RowTotals()
    for part_records, read in reader.divided(parts, repeated):
        if isinstance(read, CanonicalRun):
            day = days.setdefault(read.day, _Growing())
            day.pieces += encode_canonical_rows(part_records, source.log_id, source.partition)
            day.rows += read.rows
            totals.counts += read.counts
        else:
            dead += read.dead_letters
            for created_at, count, row in _rows_of_all(read, repeated, source, totals):
                day = days.setdefault(created_at[:10], _Growing())
                day.pieces.append(row)
                day.rows += 1
                totals.counts += count
    grown = {name: DayRows(b"".join(day.pieces), day.rows) for name, day in days.items()}
    return Block(start, end, grown, tuple(dead), occurred, totals)


def window_entries_of(records: Sequence[LogRecord], registry: Registry) -> tuple[WindowEntry, ...]:
    """Block.window_entries of these records. Raises UnreadableHereError."""
    return tuple(entry for _, entry in _occurred(_Reader(0, registry).read(records)))


class _Reader:
    """Tells the canonical records of a partition from those that have to be decoded."""

    def __init__(self, partition: int, registry: Registry) -> None:
        self._partition = partition
        self._registry = registry
        self._canonical = CanonicalReader(registry)

    def read(self, records: Sequence[LogRecord]) -> Iterator[_Part]:
        for chunk in _chunks(records):
            run = self._canonical.read(chunk)
            if run is not None:
                yield chunk, run
            else:
                for record in chunk:
                    yield self._read_alone(record, canonical=len(chunk) > 1)

    def divided(self, parts: Iterable[_Part], repeated: _Repeated) -> Iterator[_Part]:
        """The same as runs that go as they are, and decoded records one by one."""
        for records, read in parts:
            if isinstance(read, Decoded) or _goes_as_it_is(records, read, repeated):
                yield records, read
                continue
            for record in records:
                alone, read_alone = self._read_alone(record, canonical=len(records) > 1)
                if isinstance(read_alone, CanonicalRun) and not _goes_as_it_is(alone, read_alone, repeated):
                    yield self._read_alone(record, canonical=False)
                else:
                    yield alone, read_alone

    def _read_alone(self, record: LogRecord, *, canonical: bool) -> _Part:
        """`canonical`: whether it may be."""
        alone = (record,)
        run = self._canonical.read(alone) if canonical else None
        return alone, decode_all(alone, self._partition, self._registry) if run is None else run


def _chunks(records: Sequence[LogRecord]) -> Iterator[Sequence[LogRecord]]:
    """The records in order, in runs of RUN_BYTES or a little more."""
    begin = size = 0
    for end, record in enumerate(records, 1):
        size += len(record.value)
        if size >= RUN_BYTES:
            yield records[begin:end]
            begin, size = end, 0
    if begin < len(records):
        yield records[begin:]


def _occurred(parts: Iterable[_Part]) -> tuple[tuple[int, WindowEntry], ...]:
    """Block.located_entries."""
    occurred: list[tuple[int, WindowEntry]] = []
    for offset, entry in _by_record(parts):
        if entry.keys or not occurred or occurred[-1][1].keys:
            occurred.append((offset, entry))
        else:
            begin, run = occurred[-1]
            occurred[-1] = begin, merge_runs((run, entry))
    return tuple(occurred)


def _by_record(parts: Iterable[_Part]) -> Iterator[tuple[int, WindowEntry]]:
    """What each record does to the retry window, with its offset; runs without keys as one."""
    for records, read in parts:
        if isinstance(read, Decoded):
            yield from zip([record.offset for record in records], read.window_entries, strict=True)
        elif read.keys:
            without: list[LogRecord] = []
            for record, keys in zip(records, read.keys, strict=True):
                if not keys:
                    without.append(record)
                    continue
                if without:
                    yield without[0].offset, keyless_run([each.appended_at_ms for each in without])
                    without = []
                yield record.offset, WindowEntry(record.appended_at_ms, keys, read.by_max_time)
            if without:
                yield without[0].offset, keyless_run([each.appended_at_ms for each in without])
        else:
            yield records[0].offset, keyless_run([record.appended_at_ms for record in records])


def _repeated(occurred: Sequence[tuple[int, WindowEntry]], window: RetryWindow) -> _Repeated:
    answers = window.find_repeats(entry for _, entry in occurred)
    return {offset: answer for (offset, _), answer in zip(occurred, answers, strict=True) if any(answer)}


def _rows_of_all(
    decoded: Decoded, repeated: _Repeated, source: Source, totals: RowTotals
) -> Iterator[tuple[str, int, bytes]]:
    for (record, batches), keys in zip(decoded.records, decoded.keys, strict=True):
        answers = repeated.get(record.offset) or [False] * len(keys)
        yield from rows_of(record, batches, answers, source, totals)


def _goes_as_it_is(records: Sequence[LogRecord], run: CanonicalRun, repeated: _Repeated) -> bool:
    """Whether every row of it is a line of it: no clock is far off, and nothing repeats another."""
    appended_ms = [record.appended_at_ms for record in records]
    if run.latest_ms - min(appended_ms) > MAX_CLOCK_SKEW_MS or max(appended_ms) - run.earliest_ms > MAX_CLOCK_SKEW_MS:
        return False
    return not repeated or repeated.keys().isdisjoint([record.offset for record in records])
