"""The rows of the counts table as JSONEachRow lines, their checksum, and the names of all tables. Pure.

The DDL is in ddl.py and migrations/.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.record import LogRecord

COUNTS_TABLE = "telemetry_counts"
STORED_COUNTS_TABLE = "telemetry_counts_local"  # on each server of a cluster, where COUNTS_TABLE is a Distributed one
LOGS_TABLE = "telemetry_logs"
MIGRATIONS_TABLE = "telemetry_migrations"
PURGES_TABLE = "telemetry_purges"
SET_ASIDES_TABLE = "telemetry_set_asides"
PURGES_AHEAD_TABLE = "telemetry_purges_ahead"

CHECKSUM_MODULUS = 2**64  # sums of row_checksum wrap around, as ClickHouse's sumWithOverflow does

_DAY_TIME_OFFSET = re.compile(rb'"created_at":"([0-9-]{10}) ([^"]*)",.*"log_offset":([0-9]+)\}\n$')

# SQL that gives, for a stored row, the line of encode_row.
ROW_AS_LINE = (
    """concat('{"viewer_id":"', viewer_id, '","event":"', toString(event), '","count":', toString(count), """
    """',"created_at":"', toString(created_at), '","log_id":', toString(log_id), """
    """',"log_partition":', toString(log_partition), ',"log_offset":', toString(log_offset), '}\\n')"""
)


def encode_row(line: Line, created_at: str, log_id: int, partition: int, offset: int) -> bytes:
    """One JSONEachRow line. `created_at` (a text of format_time) replaces the line's own: it may be corrected."""
    return (
        f'{{"viewer_id":"{line.viewer_id}","event":"{line.event}","count":{line.count},'
        f'"created_at":"{created_at}",'
        f'"log_id":{log_id},"log_partition":{partition},"log_offset":{offset}}}\n'
    ).encode("ascii")


def encode_canonical_rows(records: Iterable[LogRecord], log_id: int, partition: int) -> list[bytes]:
    """For each canonical record, its lines as encode_row encodes them.

    A canonical line has one pair of braces, so the source fields go before its closing brace.
    """
    source = b',"log_id":%d,"log_partition":%d,"log_offset":' % (log_id, partition)
    return [value.replace(b"}", b"%b%d}" % (source, offset)) for offset, _, value, _, _ in records]


def row_day_and_offset(line: bytes) -> tuple[str, int]:
    """(table day, log offset) of a line of encode_row. Raises ValueError for any other line."""
    match = _DAY_TIME_OFFSET.search(line)
    if match is None:
        raise ValueError("not a line of encode_row")
    return match[1].decode(), int(match[3])


def row_time(line: bytes) -> str:
    """created_at, as a text of format_time, of a line of encode_row. Raises ValueError for any other line."""
    match = _DAY_TIME_OFFSET.search(line)
    if match is None:
        raise ValueError("not a line of encode_row")
    return f"{match[1].decode()} {match[2].decode()}"


def row_checksum(line: bytes) -> int:
    """The first 64 bits of the MD5 of a row's line: ClickHouse's halfMD5."""
    return int.from_bytes(hashlib.md5(line, usedforsecurity=False).digest()[:8], "big")
