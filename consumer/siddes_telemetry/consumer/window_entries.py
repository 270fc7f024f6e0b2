"""What records do to the retry window: the keys that occur in each, and how they advance the log's clocks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from siddes_telemetry.consumer.record_reader import RecordReader, Segment
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry, keyless_run, merge_runs
from siddes_telemetry.consumer.rows import Decoded
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry


def window_entries_of(records: Sequence[LogRecord], registry: Registry) -> tuple[WindowEntry, ...]:
    """Block.window_entries of these records. Raises UnreadableHereError."""
    return tuple(entry for _, entry in locate_entries(RecordReader(0, registry).read(records)))


def locate_entries(segments: Iterable[Segment]) -> tuple[tuple[int, WindowEntry], ...]:
    """Block.located_entries of these segments. Neighbouring records without keys become one entry."""
    located: list[tuple[int, WindowEntry]] = []
    for offset, entry in _located(segments):
        if entry.keys or not located or located[-1][1].keys:
            located.append((offset, entry))
        else:
            begin, run = located[-1]
            located[-1] = begin, merge_runs((run, entry))
    return tuple(located)


def _located(segments: Iterable[Segment]) -> Iterator[tuple[int, WindowEntry]]:
    """An entry for each record with keys, and for each run of records without keys within a segment."""
    for records, read in segments:
        if isinstance(read, Decoded):
            yield from zip([record.offset for record in records], read.window_entries, strict=True)
        elif read.keys:
            keyless: list[LogRecord] = []
            for record, keys in zip(records, read.keys, strict=True):
                if not keys:
                    keyless.append(record)
                    continue
                if keyless:
                    yield keyless[0].offset, keyless_run([each.appended_at_ms for each in keyless])
                    keyless = []
                yield record.offset, WindowEntry(record.appended_at_ms, keys, read.by_max_time)
            if keyless:
                yield keyless[0].offset, keyless_run([each.appended_at_ms for each in keyless])
        else:
            yield records[0].offset, keyless_run([record.appended_at_ms for record in records])
