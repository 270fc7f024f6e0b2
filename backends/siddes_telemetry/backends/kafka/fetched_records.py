"""Records as they come out of fetched bytes, and how they become LogRecords.

A sound record is aiokafka's own object. A record with a defect, or one that stands for a record batch that cannot be
decoded, is a MarkedRecord with the same fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from siddes_telemetry.schemas.record import APPEND_TIME, LAST_APPENDED_MS, LOG_DAMAGED, Defect, Headers, LogRecord

MAX_HEADERS_A_RECORD = 100  # further ones are ignored, and not kept; our records have three


class FetchedRecord(Protocol):
    """The fields that aiokafka's records and MarkedRecord have in common.

    `timestamp` is the broker's, where the topic has LogAppendTime.
    """

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class MarkedRecord(NamedTuple):
    """A FetchedRecord with a defect."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    defect: Defect


def is_storable_time(epoch_ms: int) -> bool:
    """Whether the store can keep this append time."""
    return 0 <= epoch_ms <= LAST_APPENDED_MS


def mark_record(record: FetchedRecord, reason: str) -> MarkedRecord:
    """The record with this defect; with APPEND_TIME and time 0 if its append time cannot be stored."""
    appended_ms = record.timestamp
    if not is_storable_time(appended_ms):
        reason, appended_ms = APPEND_TIME, 0
    defect = Defect(reason, record.offset + 1)
    return MarkedRecord(record.offset, appended_ms, record.key, record.value, record.headers, defect)


def mark_batch(batch: memoryview, offset: int, appended_ms: int, defect: Defect) -> MarkedRecord:
    """The record that stands for a whole record batch: its value is the batch's bytes."""
    return MarkedRecord(offset, appended_ms if is_storable_time(appended_ms) else 0, None, bytes(batch), (), defect)


def mark_unframed(offset: int) -> MarkedRecord:
    """The record that stands for bytes that hold no record batch: they do not show where reading could go on."""
    return MarkedRecord(offset, 0, None, None, (), Defect(LOG_DAMAGED, offset + 1))


def to_log_records(records: Iterable[FetchedRecord]) -> list[LogRecord]:
    """Convert to the ports' records. Neighbours with equal headers share one tuple, so comparing them is cheap."""
    make = tuple.__new__  # half the time of LogRecord's own
    fetched: list[LogRecord] = []
    known: Sequence[tuple[str, bytes | None]] | None = None
    headers: Headers = ()
    for record in records:
        if record.headers != known:
            known = record.headers
            headers = tuple([(key, value or b"") for key, value in islice(known, MAX_HEADERS_A_RECORD)])
        defect = record.defect if isinstance(record, MarkedRecord) else None
        fetched.append(make(LogRecord, (record.offset, record.timestamp, record.value or b"", headers, defect)))
    return fetched
