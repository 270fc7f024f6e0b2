"""The counts table: its rows as they are inserted. Its DDL is the numbered SQL files of migrations/."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from siddes_telemetry.schemas.record import Line, LogRecord

COUNTS_TABLE = "telemetry_counts"
LOGS_TABLE = "telemetry_logs"
MIGRATIONS_TABLE = "telemetry_migrations"
PURGES_TABLE = "telemetry_purges"
SET_ASIDES_TABLE = "telemetry_set_asides"
PURGES_AHEAD_TABLE = "telemetry_purges_ahead"

CHECKSUM_MODULUS = 2**64  # sums of row_checksum wrap around, as ClickHouse's sumWithOverflow does

_PLACE = re.compile(rb'"created_at":"([0-9-]{10}) ([^"]*)",.*"log_offset":([0-9]+)\}\n$')

# The same line as encode_row's, of a stored row, in ClickHouse's SQL.
ROW_AS_LINE = (
    """concat('{"viewer_id":"', viewer_id, '","event":"', toString(event), '","count":', toString(count), """
    """',"created_at":"', toString(created_at), '","log_id":', toString(log_id), """
    """',"log_partition":', toString(log_partition), ',"log_offset":', toString(log_offset), '}\\n')"""
)


def encode_row(line: Line, created_at: str, log_id: int, partition: int, offset: int) -> bytes:
    """One JSONEachRow line. `created_at` (format_time's text) is given apart: it may have been corrected."""
    return (
        f'{{"viewer_id":"{line.viewer_id}","event":"{line.event}","count":{line.count},'
        f'"created_at":"{created_at}",'
        f'"log_id":{log_id},"log_partition":{partition},"log_offset":{offset}}}\n'
    ).encode("ascii")


def encode_values(records: Iterable[LogRecord], log_id: int, partition: int) -> list[bytes]:
    """For each record, which is canonical, encode_row's lines of all its lines as they are.

    A canonical line has one brace pair: its last brace is where the source goes.
    """
    source = b',"log_id":%d,"log_partition":%d,"log_offset":' % (log_id, partition)
    return [value.replace(b"}", b"%b%d}" % (source, offset)) for offset, _, value, _, _ in records]


def place_of_row(line: bytes) -> tuple[str, int]:
    """(table day, log offset) of a line of encode_row. Raises ValueError where it is none."""
    match = _PLACE.search(line)
    if match is None:
        raise ValueError("not a line of encode_row")
    return match[1].decode(), int(match[3])


def time_of_row(line: bytes) -> str:
    """When it was created, format_time's text, of a line of encode_row. Raises ValueError where it is none."""
    match = _PLACE.search(line)
    if match is None:
        raise ValueError("not a line of encode_row")
    return f"{match[1].decode()} {match[2].decode()}"


def row_checksum(line: bytes) -> int:
    """64 bits of a row: the first eight bytes of its line's MD5, which ClickHouse knows as halfMD5."""
    return int.from_bytes(hashlib.md5(line, usedforsecurity=False).digest()[:8], "big")


def insert_token(log_id: int, partition: int, start: int, end: int, *, spent: int = 0) -> str:
    """The name under which the block of records [start, end) is stored once: the same range, the same token.

    `spent`: how many tokens of this range the store is known to hold without their rows.
    """
    return f"v1:{COUNTS_TABLE}:{log_id}:{partition}:{start}-{end}" + (f":{spent}" if spent else "")
