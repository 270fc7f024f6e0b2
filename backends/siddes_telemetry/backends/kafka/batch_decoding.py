"""Decodes one record batch: checksum, decompression within limits, records. Parsing and checksums are aiokafka's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from operator import lt

from siddes_telemetry.backends.kafka.aiokafka_internals import DefaultRecord, DefaultRecordBatch, decode_varint
from siddes_telemetry.backends.kafka.batch_framing import (
    APPEND_TIME_BIT,
    ATTRIBUTES,
    ATTRIBUTES_AT,
    CODEC_BITS,
    CONTROL_BIT,
    HEAD,
    LENGTH_END,
    MAGIC,
    MAGIC_AT,
    TRANSACTIONAL_BIT,
)
from siddes_telemetry.backends.kafka.compression import CorruptCompression, DecompressedTooLarge, Inflate
from siddes_telemetry.backends.kafka.fetched_records import MarkedRecord, is_storable_time, mark_record
from siddes_telemetry.schemas.record import (
    APPEND_TIME,
    BATCH_TOO_LARGE,
    CORRUPT_BATCH,
    LAST_APPENDED_MS,
    TRANSACTIONAL,
    UNSUPPORTED_BATCH,
)

MAX_INFLATED_BYTES = 16 * 1024 * 1024  # of a compressed record batch: 32 times a record of ours
MAX_RECORDS = 20_000  # of a record batch: each becomes an object, however small it is, and may become a dead letter
MAX_HEADERS = 200_000  # of a compressed record batch: ten a record, where ours have three
SLACK_BYTES = 32  # behind a record batch: aiokafka reads a header's length before it checks that the batch has one

FetchedRecords = Sequence[DefaultRecord | MarkedRecord]


class UndecodableBatch(Exception):
    """A record batch that yields no records. `sound`: its checksum is right, so its head can be believed."""

    def __init__(self, reason: str, *, sound: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sound = sound


class BatchDecoder:
    """Decodes record batches of every kind. `inflated_bytes` counts what came out of the compressed ones."""

    def __init__(self, codecs: Mapping[int, Inflate]) -> None:
        self._codecs = codecs
        self.inflated_bytes = 0

    def decode(self, batch: memoryview, first: int, high_watermark: int) -> tuple[FetchedRecords, int]:
        """All records of the record batch with this first offset, and the offset after it. Raises UndecodableBatch."""
        parsed = _checked(batch)
        attributes, last, _, latest_ms, _, _, _, count = HEAD.unpack_from(batch)[5:]
        following = first + last + 1
        if not first < following <= high_watermark:
            raise UndecodableBatch(CORRUPT_BATCH, sound=False)
        if attributes & CONTROL_BIT:
            return (), following
        if count > MAX_RECORDS:
            raise UndecodableBatch(BATCH_TOO_LARGE, sound=True)
        if attributes & CODEC_BITS:
            parsed = DefaultRecordBatch(self._inflated(batch, attributes, count))
        try:
            records = list(parsed)
        except Exception:  # noqa: BLE001 - aiokafka raises several kinds, and all of them mean this
            raise UndecodableBatch(CORRUPT_BATCH, sound=True) from None
        if not _in_order(records, first, following):
            raise UndecodableBatch(CORRUPT_BATCH, sound=True)
        if attributes & TRANSACTIONAL_BIT:
            return [mark_record(record, TRANSACTIONAL) for record in records], following
        if attributes & APPEND_TIME_BIT and is_storable_time(latest_ms):
            return records, following
        return [
            record if is_storable_time(record.timestamp) else mark_record(record, APPEND_TIME) for record in records
        ], following

    def _inflated(self, batch: memoryview, attributes: int, count: int) -> memoryview:
        """The same record batch without compression. Raises UndecodableBatch."""
        inflate = self._codecs.get(attributes & CODEC_BITS)
        if inflate is None:
            raise UndecodableBatch(UNSUPPORTED_BATCH, sound=True)
        try:
            body = inflate(batch[HEAD.size :], MAX_INFLATED_BYTES)
        except DecompressedTooLarge:
            raise UndecodableBatch(BATCH_TOO_LARGE, sound=True) from None
        except CorruptCompression:
            raise UndecodableBatch(CORRUPT_BATCH, sound=True) from None
        whole = bytearray().join((batch[: HEAD.size], body, bytes(SLACK_BYTES)))
        if _has_too_many_headers(whole, count):
            raise UndecodableBatch(BATCH_TOO_LARGE, sound=True)
        self.inflated_bytes += len(body)
        ATTRIBUTES.pack_into(whole, ATTRIBUTES_AT, attributes & ~CODEC_BITS)
        return memoryview(whole)[:-SLACK_BYTES]


def decode_plain(
    data: memoryview, at: int, size: int, high_watermark: int, expected: int
) -> tuple[FetchedRecords, int, int] | None:
    """(records, offset after them, where it ends) of a record batch as our gateways write it; None of all others.

    The batch begins at `at` and continues the log at offset `expected`. The result is the one of BatchDecoder, in half
    the time: most batches are of this kind.
    """
    if size - at < HEAD.size:
        return None
    first, length, _, magic, _, attributes, last, _, latest_ms, _, _, _, count = HEAD.unpack_from(data, at)
    end, following = at + LENGTH_END + length, first + last + 1
    in_place = 0 <= first < following <= high_watermark and (
        first == expected or (first < expected < following and not at)
    )
    ours = magic == MAGIC and attributes == APPEND_TIME_BIT and last == count - 1 and count <= MAX_RECORDS
    if not (in_place and ours and at + HEAD.size <= end <= size and 0 <= latest_ms <= LAST_APPENDED_MS):
        return None
    parsed = DefaultRecordBatch(data[at:end])
    if not parsed.validate_crc():
        return None
    try:
        records = list(parsed)
    except Exception:  # noqa: BLE001 - as in BatchDecoder.decode, which then decodes the record batch again
        return None
    return (records, following, end) if _in_order(records, first, following) else None


def _checked(batch: memoryview) -> DefaultRecordBatch:
    """The record batch, if its magic is known and its checksum is right. Raises UndecodableBatch."""
    magic = batch[MAGIC_AT]
    if magic != MAGIC:
        raise UndecodableBatch(UNSUPPORTED_BATCH if magic > MAGIC else "schema_header", sound=False)
    if len(batch) < HEAD.size:
        raise UndecodableBatch(CORRUPT_BATCH, sound=False)
    parsed = DefaultRecordBatch(batch)
    if not parsed.validate_crc():
        raise UndecodableBatch(CORRUPT_BATCH, sound=False)
    return parsed


def _has_too_many_headers(batch: bytearray, count: int) -> bool:
    """Whether its records claim more than MAX_HEADERS headers together: each is an object, even one of two bytes."""
    at, headers = HEAD.size, 0
    try:
        for _ in range(count):
            length, within = decode_varint(batch, at)
            at = within + length
            within += 1  # attributes
            for _ in range(2):  # the differences of time and offset
                _, within = decode_varint(batch, within)
            for _ in range(2):  # key and value
                size, within = decode_varint(batch, within)
                within += max(0, size)
            headers += decode_varint(batch, within)[0]
            if headers > MAX_HEADERS:
                return True
    except (ValueError, IndexError):
        return False  # broken: the parser reports it
    return False


def _in_order(records: Sequence[DefaultRecord], first: int, following: int) -> bool:
    """Whether offsets rise and lie within the record batch. A producer writes them; the broker does not check each."""
    if len(records) == 1:
        return bool(first <= records[0].offset < following)
    offsets = [record.offset for record in records]
    if offsets == list(range(first, following)):
        return True
    return not offsets or (
        first <= offsets[0] and offsets[-1] < following and all(map(lt, offsets, islice(offsets, 1, None)))
    )
