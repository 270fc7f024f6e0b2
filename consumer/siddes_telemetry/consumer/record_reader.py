"""Reads a partition's records: canonical ones a run at a time, all others decoded one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from siddes_telemetry.consumer.rows import Decoded, decode_all
from siddes_telemetry.schemas.canonical import CanonicalReader, CanonicalRun
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry import Registry

CHUNK_BYTES = 256 * 1024  # read at once: the objects of some thousand lines fit the processor's cache

Segment = tuple[Sequence[LogRecord], CanonicalRun | Decoded]
"""Consecutive records with what was read from them; a decoded segment has one record."""


class RecordReader:
    """Tells the canonical records of a partition from those that have to be decoded. Raises UnreadableHereError."""

    def __init__(self, partition: int, registry: Registry) -> None:
        self._partition = partition
        self._registry = registry
        self._canonical = CanonicalReader(registry)

    def read(self, records: Sequence[LogRecord]) -> Iterator[Segment]:
        """The records as segments, in order."""
        for chunk in _chunks(records):
            run = self._canonical.read(chunk)
            if run is not None:
                yield chunk, run
            else:
                for record in chunk:
                    yield self.read_one(record, may_be_canonical=len(chunk) > 1)

    def read_one(self, record: LogRecord, *, may_be_canonical: bool) -> Segment:
        """A segment of one record; decoded unless it is canonical and may be."""
        alone = (record,)
        run = self._canonical.read(alone) if may_be_canonical else None
        return alone, decode_all(alone, self._partition, self._registry) if run is None else run


def _chunks(records: Sequence[LogRecord]) -> Iterator[Sequence[LogRecord]]:
    """The records in order, in pieces of CHUNK_BYTES or a little more."""
    begin = size = 0
    for end, record in enumerate(records, 1):
        size += len(record.value)
        if size >= CHUNK_BYTES:
            yield records[begin:end]
            begin, size = end, 0
    if begin < len(records):
        yield records[begin:]
