"""A partition's bytes, as a broker gives them, batch by batch: whatever they are, reading goes on.

aiokafka raises for what it cannot decode, for the whole fetch, again and again. Here a batch gives all its records, or
one record with a defect in its place: at its first offset, so that everybody who reads it names the same one, unless
reading begins inside of it. The layout is that of KIP-98, magic 2; parsing and checksums are aiokafka's.

    what is found                                            what is given
    a control batch                                          nothing
    a wrong checksum, framing or header name                 corrupt_batch, one for the batch
    more than MAX_INFLATED_BYTES, MAX_RECORDS or MAX_HEADERS batch_too_large, one for the batch
    a codec or a magic byte that is not known here           unsupported_batch, one for the batch
    a batch from before magic 2                              schema_header: it has no headers
    a transactional batch                                    its records, each marked
    a time that no store could keep                          its record, marked
    a first offset that contradicts its neighbours           corrupt_batch
    no batch at all                                          log_damaged, at the offset that was asked for
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import lt
from time import perf_counter
from typing import NamedTuple

from siddes_telemetry.backends.kafka.aiokafka_internals import DefaultRecord, DefaultRecordBatch, decode_varint
from siddes_telemetry.backends.kafka.compression import (
    CorruptCompression,
    DecompressedTooLarge,
    Inflate,
    codecs_here,
)
from siddes_telemetry.schemas.record import (
    APPEND_TIME,
    BATCH_TOO_LARGE,
    CORRUPT_BATCH,
    LAST_APPENDED_MS,
    LOG_DAMAGED,
    TRANSACTIONAL,
    UNSUPPORTED_BATCH,
    Defect,
)

MAX_INFLATED_BYTES = 16 * 1024 * 1024  # of a compressed batch: 32 times a record of ours
MAX_RECORDS = 20_000  # of a batch: each is an object here, however small it is, and may be a dead letter
MAX_HEADERS = 200_000  # of a compressed batch: ten a record, where ours have three
LONGEST_S = 0.1  # at one go on batches that are not ours: the event loop waits meanwhile
SLACK_BYTES = 32  # aiokafka looks at a header's length before it looks whether the batch has one

_OFFSET = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_LENGTH_END = 12  # what the length does not count: the first offset, and itself
_MAGIC, _MAGIC_AT = 2, 16
_HEAD = struct.Struct(">qiibIhiqqqhii")
_ATTRIBUTES = struct.Struct(">h")
_ATTRIBUTES_AT = 21
_CODEC, _APPEND_TIME_BIT, _TRANSACTIONAL_BIT, _CONTROL_BIT = 0x07, 0x08, 0x10, 0x20


class MarkedRecord(NamedTuple):
    """A record with a defect, or a batch that gives no records, in the form of aiokafka's records."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    defect: Defect


_Batch = tuple[Sequence[DefaultRecord | MarkedRecord], int, int]  # its records, the offset after it, where it ends


class _UndecodableBatch(Exception):
    """A batch that gives no records, for this reason. `sound`: its checksum is right, so its head may be believed."""

    def __init__(self, reason: str, *, sound: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sound = sound


class Records:
    """An iterator over records; `next_fetch_offset` follows it, over offsets that give none too."""

    def __init__(
        self, data: bytes, offset: int, high_watermark: int, *, codecs: Mapping[int, Inflate] | None = None
    ) -> None:
        self._passed = offset  # all below is given, or gives nothing
        self._given: DefaultRecord | MarkedRecord | None = None  # the last one, of the batch that is being given
        self._inflated_bytes = 0
        self._codecs = codecs_here() if codecs is None else codecs
        self._reading = self._read(memoryview(data + bytes(SLACK_BYTES)), len(data), high_watermark)

    @property
    def next_fetch_offset(self) -> int:
        """Where reading goes on."""
        return self._passed if self._given is None else int(self._given.offset) + 1

    def __iter__(self) -> Iterator[DefaultRecord | MarkedRecord]:
        return self._reading

    def _read(self, data: memoryview, size: int, high_watermark: int) -> Iterator[DefaultRecord | MarkedRecord]:
        at, spent_s = 0, 0.0
        while at < size:
            read = _plain(data, at, size, high_watermark, self._passed)
            if read is None:
                began_s = perf_counter()
                read = self._any(data, at, size, high_watermark)
                spent_s += perf_counter() - began_s
            if read is None:
                return  # it is cut off here, and fetched again from there on
            records, following, at = read
            if records and records[0].offset < self._passed:
                records = [record for record in records if record.offset >= self._passed]
            for record in records:
                self._given = record
                yield record
            self._passed, self._given = max(self._passed, following), None
            if spent_s > LONGEST_S or self._inflated_bytes > MAX_INFLATED_BYTES:
                return  # the rest is fetched again: others wait, and memory is what it is

    def _any(self, data: memoryview, at: int, size: int, high_watermark: int) -> _Batch | None:
        """A batch of whatever kind; None where it is not whole here, and others come before it."""
        passed = self._passed
        end = _batch_end(data, at, size)
        (first,) = _OFFSET.unpack_from(data, at) if size - at >= _OFFSET.size else (-1,)
        if end is None or not 0 <= first < high_watermark:
            return None if at else ([_unframed(passed)], passed + 1, size)
        batch, next_first = data[at:end], _next_first(data, end, size)
        try:
            records, following = self._decode(batch, first, high_watermark)
            sound = True
        except _UndecodableBatch as error:
            found = _following(batch, at, next_first, high_watermark, sound=error.sound)
            if found is None:
                return None
            place, following, sound = max(first, passed), found, error.sound
            records = [_mark_of(batch, place, Defect(error.reason, found), sound=sound)] if place < found else []
        if _is_misplaced(first, following, passed, next_first, at):
            following = passed + 1 if next_first is None or next_first <= passed else next_first
            records = [_mark_of(batch, passed, Defect(CORRUPT_BATCH, following), sound=sound)]
        return records, following, end

    def _decode(
        self, batch: memoryview, first: int, high_watermark: int
    ) -> tuple[Sequence[DefaultRecord | MarkedRecord], int]:
        """All of its records, and the offset after it. Raises _UndecodableBatch."""
        parsed = _sound(batch)
        attributes, last, _, latest_ms, _, _, _, count = _HEAD.unpack_from(batch)[5:]
        following = first + last + 1
        if not first < following <= high_watermark:
            raise _UndecodableBatch(CORRUPT_BATCH, sound=False)
        if attributes & _CONTROL_BIT:
            return (), following
        if count > MAX_RECORDS:
            raise _UndecodableBatch(BATCH_TOO_LARGE, sound=True)
        if attributes & _CODEC:
            parsed = DefaultRecordBatch(self._inflated(batch, attributes, count))
        try:
            records = list(parsed)
        except Exception:  # noqa: BLE001 - aiokafka raises several kinds, none of which says anything but this
            raise _UndecodableBatch(CORRUPT_BATCH, sound=True) from None
        if not _in_order(records, first, following):
            raise _UndecodableBatch(CORRUPT_BATCH, sound=True)
        if attributes & _TRANSACTIONAL_BIT:
            return [_marked(record, TRANSACTIONAL) for record in records], following
        if attributes & _APPEND_TIME_BIT and _is_time(latest_ms):
            return records, following
        return [record if _is_time(record.timestamp) else _marked(record, APPEND_TIME) for record in records], following

    def _inflated(self, batch: memoryview, attributes: int, count: int) -> memoryview:
        """The same batch without compression. Raises _UndecodableBatch."""
        inflate = self._codecs.get(attributes & _CODEC)
        if inflate is None:
            raise _UndecodableBatch(UNSUPPORTED_BATCH, sound=True)
        try:
            body = inflate(batch[_HEAD.size :], MAX_INFLATED_BYTES)
        except DecompressedTooLarge:
            raise _UndecodableBatch(BATCH_TOO_LARGE, sound=True) from None
        except CorruptCompression:
            raise _UndecodableBatch(CORRUPT_BATCH, sound=True) from None
        whole = bytearray().join((batch[: _HEAD.size], body, bytes(SLACK_BYTES)))
        if _has_too_many_headers(whole, count):
            raise _UndecodableBatch(BATCH_TOO_LARGE, sound=True)
        self._inflated_bytes += len(body)
        _ATTRIBUTES.pack_into(whole, _ATTRIBUTES_AT, attributes & ~_CODEC)
        return memoryview(whole)[:-SLACK_BYTES]


def _plain(data: memoryview, at: int, size: int, high_watermark: int, passed: int) -> _Batch | None:
    """A batch as our gateways write it, right behind what was passed; None of all others.

    What Records._any makes of it, in half the time: most batches are such.
    """
    if size - at < _HEAD.size:
        return None
    first, length, _, magic, _, attributes, last, _, latest_ms, _, _, _, count = _HEAD.unpack_from(data, at)
    end, following = at + _LENGTH_END + length, first + last + 1
    in_place = 0 <= first < following <= high_watermark and (first == passed or (first < passed < following and not at))
    ours = magic == _MAGIC and attributes == _APPEND_TIME_BIT and last == count - 1 and count <= MAX_RECORDS
    if not (in_place and ours and at + _HEAD.size <= end <= size and 0 <= latest_ms <= LAST_APPENDED_MS):
        return None
    parsed = DefaultRecordBatch(data[at:end])
    if not parsed.validate_crc():
        return None
    try:
        records = list(parsed)
    except Exception:  # noqa: BLE001 - as in Records._decode, which finds it again
        return None
    return (records, following, end) if _in_order(records, first, following) else None


def _sound(batch: memoryview) -> DefaultRecordBatch:
    """The batch, its checksum being right. Raises _UndecodableBatch."""
    magic = batch[_MAGIC_AT]
    if magic != _MAGIC:
        raise _UndecodableBatch(UNSUPPORTED_BATCH if magic > _MAGIC else "schema_header", sound=False)
    if len(batch) < _HEAD.size:
        raise _UndecodableBatch(CORRUPT_BATCH, sound=False)
    parsed = DefaultRecordBatch(batch)
    if not parsed.validate_crc():
        raise _UndecodableBatch(CORRUPT_BATCH, sound=False)
    return parsed


def _batch_end(data: memoryview, at: int, size: int) -> int | None:
    """Where the batch ends that begins here, or None where it is cut off or has no frame."""
    if size - at <= _MAGIC_AT:
        return None
    (length,) = _LENGTH.unpack_from(data, at + _OFFSET.size)
    end = at + _LENGTH_END + int(length)
    return end if at + _MAGIC_AT < end <= size else None


def _next_first(data: memoryview, end: int, size: int) -> int | None:
    """The first offset of the batch that begins there, if it is here."""
    return int(_OFFSET.unpack_from(data, end)[0]) if end + _OFFSET.size <= size else None


def _is_misplaced(first: int, following: int, passed: int, next_first: int | None, at: int) -> bool:
    """Whether a batch's first offset, which no checksum covers, contradicts those of its neighbours."""
    if first < passed < following:
        return at > 0
    if following <= passed:  # some brokers begin earlier than asked
        return next_first is None or next_first > passed
    return first > passed and next_first is not None and next_first < following


def _following(batch: memoryview, at: int, next_first: int | None, high_watermark: int, *, sound: bool) -> int | None:
    """The offset after a batch that cannot be decoded; None where that can be told only with what follows it.

    If its checksum is wrong, its own word may be as well: then it is where the next one begins. Where it is all that
    the broker gives, it is the log's last.
    """
    (first,) = _OFFSET.unpack_from(batch)
    said = first + 1
    if len(batch) >= _HEAD.size and batch[_MAGIC_AT] >= _MAGIC:
        said = first + _HEAD.unpack_from(batch)[6] + 1
    if sound:
        return int(said)
    if next_first is not None:
        return next_first if first < next_first <= high_watermark else int(first) + 1
    if at:
        return None
    return int(said) if first < said <= high_watermark else high_watermark


def _has_too_many_headers(batch: bytearray, count: int) -> bool:
    """Whether its records say that they have more than MAX_HEADERS together: each is an object, of two bytes even."""
    at, headers = _HEAD.size, 0
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
        return False  # broken: whoever parses it says so
    return False


def _in_order(records: Sequence[DefaultRecord], first: int, following: int) -> bool:
    """Whether offsets rise and lie within their batch. They are the producer's: the broker does not look at each."""
    if len(records) == 1:
        return bool(first <= records[0].offset < following)
    offsets = [record.offset for record in records]
    if offsets == list(range(first, following)):
        return True
    return not offsets or (
        first <= offsets[0] and offsets[-1] < following and all(map(lt, offsets, islice(offsets, 1, None)))
    )


def _is_time(epoch_ms: int) -> bool:
    return 0 <= epoch_ms <= LAST_APPENDED_MS


def _marked(record: DefaultRecord, reason: str) -> MarkedRecord:
    appended_ms = record.timestamp
    if not _is_time(appended_ms):
        reason, appended_ms = APPEND_TIME, 0
    defect = Defect(reason, record.offset + 1)
    return MarkedRecord(record.offset, appended_ms, record.key, record.value, record.headers, defect)


def _mark_of(batch: memoryview, place: int, defect: Defect, *, sound: bool) -> MarkedRecord:
    """What stands for a whole batch: its bytes, at the time of its last record if that can be told."""
    latest_ms = _HEAD.unpack_from(batch)[8] if sound else 0
    return MarkedRecord(place, latest_ms if _is_time(latest_ms) else 0, None, bytes(batch), (), defect)


def _unframed(offset: int) -> MarkedRecord:
    """What stands for bytes that show no batch at all: nobody can tell where to go on."""
    return MarkedRecord(offset, 0, None, None, (), Defect(LOG_DAMAGED, offset + 1))
