"""The `records` table of the embedded log: append, read, and search by append time.

Functions take a connection and run in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
import struct
from bisect import bisect_left
from collections.abc import Sequence

from siddes_telemetry.backends.ports.errors import RecordsGone
from siddes_telemetry.schemas.record import APPEND_TIME, CORRUPT_BATCH, LAST_APPENDED_MS, Defect, Headers, LogRecord

# One chunk, which is what one transaction reads or removes at most: a read or a trim holds the file only shortly.
CHUNK_RECORDS = 4096
CHUNK_BYTES = 4 * 1024 * 1024  # of values, but at least one record

# A record's headers are one BLOB: for each header, in order, a name (UTF-8) and a value, each after its length.
_NAME_LENGTH = struct.Struct(">H")
_VALUE_LENGTH = struct.Struct(">I")


def append(connection: sqlite3.Connection, appended_at_ms: int, value: bytes, packed_headers: bytes) -> int:
    """Insert a record, in one statement; returns its offset."""
    offset = connection.execute(
        "INSERT INTO records (appended_at_ms, headers, value) VALUES (?, ?, ?)", (appended_at_ms, packed_headers, value)
    ).lastrowid
    if offset is None:
        raise sqlite3.InternalError("an INSERT gave no offset")
    return offset


def bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """(first offset in the log, next offset to be given)."""
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'").fetchone()
    (first,) = connection.execute("SELECT min(offset) FROM records").fetchone()
    return (last + 1 if first is None else first), last + 1


def read_chunk(connection: sqlite3.Connection, start: int, end: int) -> Sequence[LogRecord]:
    """The first chunk of [start, end). Empty only if the log ends at `start`. Raises RecordsGone."""
    first, following = bounds(connection)
    if start < first:
        raise RecordsGone(first)
    records: list[LogRecord] = []
    size = 0
    for offset, appended_at_ms, packed_headers, value in connection.execute(
        "SELECT offset, appended_at_ms, headers, value FROM records WHERE offset >= ? AND offset < ?"
        " ORDER BY offset LIMIT ?",
        (start, min(end, following), CHUNK_RECORDS),
    ):
        size += len(value)
        if records and size > CHUNK_BYTES:
            break
        records.append(_log_record(offset, appended_at_ms, value, packed_headers))
    return records


def offset_at(connection: sqlite3.Connection, appended_at_ms: int) -> int | None:
    """The first offset appended at or after this time, by binary search: approximate if append times stepped back."""

    def appended_at(offset: int) -> int:
        query = "SELECT appended_at_ms FROM records WHERE offset = ?"
        return int(connection.execute(query, (offset,)).fetchone()[0])

    first, following = bounds(connection)
    offsets = range(first, following)
    index = bisect_left(offsets, appended_at_ms, key=appended_at)
    return offsets[index] if index < len(offsets) else None


def pack_headers(headers: Headers) -> bytes:
    """The headers as one BLOB. Keeps their order and repetitions."""
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        parts += _NAME_LENGTH.pack(len(encoded)), encoded, _VALUE_LENGTH.pack(len(value)), value
    return b"".join(parts)


def unpack_headers(packed: bytes) -> Headers:
    """The headers of a BLOB of pack_headers. Raises struct.error or UnicodeDecodeError for other bytes."""
    headers: list[tuple[str, bytes]] = []
    at = 0
    while at < len(packed):
        (length,) = _NAME_LENGTH.unpack_from(packed, at)
        at += _NAME_LENGTH.size
        name = packed[at : at + length].decode()
        at += length
        (length,) = _VALUE_LENGTH.unpack_from(packed, at)
        at += _VALUE_LENGTH.size
        headers.append((name, packed[at : at + length]))
        at += length
    return tuple(headers)


def _log_record(offset: int, appended_at_ms: int, value: bytes, packed_headers: bytes) -> LogRecord:
    """The record. It has a defect if its headers are corrupt, or if the store cannot hold its append time."""
    try:
        headers = unpack_headers(packed_headers)
    except (struct.error, UnicodeDecodeError):
        return LogRecord(offset, 0, value, (), Defect(CORRUPT_BATCH, offset + 1))
    if not 0 <= appended_at_ms <= LAST_APPENDED_MS:
        return LogRecord(offset, 0, value, headers, Defect(APPEND_TIME, offset + 1))
    return LogRecord(offset, appended_at_ms, value, headers)
