"""Turns the fetched bytes of a partition into records, by record batch. Reading goes on whatever the bytes are.

aiokafka raises for a batch that it cannot decode, for the whole fetch, on every fetch. Here a batch yields all its
records, or one record with a defect in its place. That one has the first offset of the batch, so that all readers name
the same one, unless reading begins inside the batch. batch_framing.py has the layout, batch_decoding.py the limits.

    found                                                    yielded
    a control batch                                          nothing
    a wrong checksum, framing or header name                 corrupt_batch, one for the batch
    more than MAX_INFLATED_BYTES, MAX_RECORDS or MAX_HEADERS batch_too_large, one for the batch
    a codec or a magic byte that this version cannot read    unsupported_batch, one for the batch
    a batch from before magic 2                              schema_header, one for the batch: it has no headers
    a transactional batch                                    its records, each marked
    an append time that the store cannot keep                its record, marked
    a first offset that contradicts its neighbours           corrupt_batch
    the batch that was asked for, beyond the high watermark  nothing: it is fetched again
    no batch at all                                          log_damaged, at the offset that was asked for
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter

from siddes_telemetry.backends.kafka.aiokafka_internals import DefaultRecord
from siddes_telemetry.backends.kafka.batch_decoding import (
    MAX_INFLATED_BYTES,
    SLACK_BYTES,
    BatchDecoder,
    FetchedRecords,
    UndecodableBatch,
    decode_plain,
)
from siddes_telemetry.backends.kafka.batch_framing import (
    batch_end,
    first_offset,
    highest_timestamp_ms,
    is_misplaced,
    offset_after,
)
from siddes_telemetry.backends.kafka.compression import Inflate, codecs_here
from siddes_telemetry.backends.kafka.fetched_records import MarkedRecord, mark_batch, mark_unframed
from siddes_telemetry.schemas.record import CORRUPT_BATCH, Defect

LONGEST_S = 0.1  # spent at one go on record batches that are not ours: the event loop waits meanwhile


class Records:
    """An iterable over the records of [offset, high_watermark) that are in these bytes.

    `data` may begin with records below `offset`: brokers return whole record batches.
    """

    def __init__(
        self, data: bytes, offset: int, high_watermark: int, *, codecs: Mapping[int, Inflate] | None = None
    ) -> None:
        # A generator that referred to this object would keep the bytes, if they are not read to the end, until a
        # garbage collection.
        self._reader = _Reader(offset, BatchDecoder(codecs_here() if codecs is None else codecs))
        self._reading = self._reader.read(memoryview(data + bytes(SLACK_BYTES)), len(data), high_watermark)

    @property
    def next_fetch_offset(self) -> int:
        """Where reading goes on: after the last record that was yielded, and after offsets that yield none."""
        return self._reader.next_fetch_offset

    def __iter__(self) -> Iterator[DefaultRecord | MarkedRecord]:
        return self._reading


class _Reader:
    """Reads the bytes of one Records, and knows how far it is."""

    def __init__(self, offset: int, decoder: BatchDecoder) -> None:
        self._expected = offset  # all records below are yielded, or yield nothing
        self._yielded: DefaultRecord | MarkedRecord | None = None  # the last one of the batch being yielded
        self._decoder = decoder

    @property
    def next_fetch_offset(self) -> int:
        return self._expected if self._yielded is None else int(self._yielded.offset) + 1

    def read(self, data: memoryview, size: int, high_watermark: int) -> Iterator[DefaultRecord | MarkedRecord]:
        at, spent_s = 0, 0.0
        while at < size:
            read = decode_plain(data, at, size, high_watermark, self._expected)
            if read is None:
                began_s = perf_counter()
                read = self._read_any(data, at, size, high_watermark)
                spent_s += perf_counter() - began_s
            if read is None:
                return  # the record batch is cut off here: it is fetched again
            records, following, at = read
            if records and records[0].offset < self._expected:
                records = [record for record in records if record.offset >= self._expected]
            for record in records:
                self._yielded = record
                yield record
            self._expected, self._yielded = max(self._expected, following), None
            if spent_s > LONGEST_S or self._decoder.inflated_bytes > MAX_INFLATED_BYTES:
                return  # the rest is fetched again: other tasks run meanwhile, and memory stays bounded

    def _read_any(
        self, data: memoryview, at: int, size: int, high_watermark: int
    ) -> tuple[FetchedRecords, int, int] | None:
        """(records, offset after them, where it ends) of a record batch of any kind.

        None if it is to be fetched again: the batch is not whole and others come before it; or it was appended during
        the fetch, as a broker takes the high watermark of its answer before it reads (Kafka's Partition.readRecords).
        """
        expected = self._expected
        end, first = batch_end(data, at, size), first_offset(data, at, size)
        if end is not None and first == expected >= high_watermark:
            return None
        if end is None or first is None or not 0 <= first < high_watermark:
            return None if at else ([mark_unframed(expected)], expected + 1, size)
        batch, next_first = data[at:end], first_offset(data, end, size)
        records: FetchedRecords
        try:
            records, following = self._decoder.decode(batch, first, high_watermark)
            sound = True
        except UndecodableBatch as error:
            after = offset_after(batch, at, next_first, high_watermark, sound=error.sound)
            if after is None:
                return None
            offset, following, sound = max(first, expected), after, error.sound
            records = [_stand_in(batch, offset, Defect(error.reason, after), sound=sound)] if offset < after else []
        if is_misplaced(first, following, expected, next_first, at):
            following = expected + 1 if next_first is None or next_first <= expected else next_first
            records = [_stand_in(batch, expected, Defect(CORRUPT_BATCH, following), sound=sound)]
        return records, following, end


def _stand_in(batch: memoryview, offset: int, defect: Defect, *, sound: bool) -> MarkedRecord:
    """The record that stands for a whole record batch, at the time of its last record if its head can be believed."""
    return mark_batch(batch, offset, highest_timestamp_ms(batch) if sound else 0, defect)
