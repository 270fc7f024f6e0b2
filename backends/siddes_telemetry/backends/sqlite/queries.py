"""What is asked of the embedded log's tables: SQL in, values out. Each runs in somebody's transaction."""

from __future__ import annotations

import sqlite3
import struct
from bisect import bisect_left
from collections.abc import Sequence

from siddes_telemetry.backends.ports.administration import FAR_AHEAD_MS
from siddes_telemetry.backends.ports.errors import RecordsGone
from siddes_telemetry.backends.ports.log import Committed, DeadLetter, DeadLetterEntry
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.headers import pack_headers, unpack_headers
from siddes_telemetry.schemas.record import APPEND_TIME, CORRUPT_BATCH, LAST_APPENDED_MS, Defect, LogRecord

PIECE_RECORDS = 4096  # records in one answer; with
PIECE_BYTES = 4 * 1024 * 1024  # values in one answer (one record at least): a read or a trim holds the file shortly
PIECE_NOTES = 16  # each at most half a mebibyte
PIECE_DEAD_LETTERS = 16  # each at most a record
VACUUMED_PAGES = 4096  # given back with each trimmed piece: more than a piece frees, so that free pages do not pile up


def insert(connection: sqlite3.Connection, appended_at_ms: int, value: bytes, packed_headers: bytes) -> int:
    """The offset that a new record got. One statement."""
    offset = connection.execute(
        "INSERT INTO records (appended_at_ms, headers, value) VALUES (?, ?, ?)", (appended_at_ms, packed_headers, value)
    ).lastrowid
    if offset is None:
        raise sqlite3.InternalError("an INSERT gave no offset")
    return offset


def prove_writable(connection: sqlite3.Connection) -> None:
    """Write something, and something new: SQLite leaves out a write that changes nothing."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'times_proved_writable'")


def bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """(first offset there is, next offset)."""
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'").fetchone()
    (first,) = connection.execute("SELECT min(offset) FROM records").fetchone()
    return (last + 1 if first is None else first), last + 1


def piece(connection: sqlite3.Connection, start: int, end: int) -> Sequence[LogRecord]:
    """The first records of [start, end), bounded; empty only where the log ends at `start`. Raises RecordsGone."""
    first, following = bounds(connection)
    if start < first:
        raise RecordsGone(first)
    records: list[LogRecord] = []
    size = 0
    for offset, appended_at_ms, packed_headers, value in connection.execute(
        "SELECT offset, appended_at_ms, headers, value FROM records WHERE offset >= ? AND offset < ?"
        " ORDER BY offset LIMIT ?",
        (start, min(end, following), PIECE_RECORDS),
    ):
        size += len(value)
        if records and size > PIECE_BYTES:
            break
        records.append(_record(offset, appended_at_ms, value, packed_headers))
    return records


def _record(offset: int, appended_at_ms: int, value: bytes, packed_headers: bytes) -> LogRecord:
    """With a defect where its headers cannot be told, or its time is one that the store could not keep."""
    try:
        headers = unpack_headers(packed_headers)
    except (struct.error, UnicodeDecodeError):
        return LogRecord(offset, 0, value, (), Defect(CORRUPT_BATCH, offset + 1))
    if not 0 <= appended_at_ms <= LAST_APPENDED_MS:
        return LogRecord(offset, 0, value, headers, Defect(APPEND_TIME, offset + 1))
    return LogRecord(offset, appended_at_ms, value, headers)


def offset_at(connection: sqlite3.Connection, appended_at_ms: int) -> int | None:
    """The first offset appended at or after this, found by halving: about there, where times have stepped back."""

    def appended_at(offset: int) -> int:
        query = "SELECT appended_at_ms FROM records WHERE offset = ?"
        return int(connection.execute(query, (offset,)).fetchone()[0])

    first, following = bounds(connection)
    offsets = range(first, following)
    place = bisect_left(offsets, appended_at_ms, key=appended_at)
    return offsets[place] if place < len(offsets) else None


def begin_generation(connection: sqlite3.Connection) -> int:
    """The number of a new generation of the group: from now on no commit under an older one passes."""
    (generation,) = connection.execute(
        "UPDATE consumer_group SET generation = generation + 1 WHERE partition = ? RETURNING generation", (PARTITION,)
    ).fetchone()
    return int(generation)


def commit_offset(connection: sqlite3.Connection, generation: int, committed: Committed) -> bool:
    """Whether this generation still is the group's; if so, the group has committed."""
    cursor = connection.execute(
        "UPDATE consumer_group SET offset = ?, metadata = ? WHERE partition = ? AND generation = ?",
        (committed.offset, committed.metadata, PARTITION, generation),
    )
    return cursor.rowcount == 1


def committed(connection: sqlite3.Connection) -> Committed | None:
    """What the group has committed, if it ever has."""
    offset, metadata = connection.execute(
        "SELECT offset, metadata FROM consumer_group WHERE partition = ?", (PARTITION,)
    ).fetchone()
    return None if offset is None else Committed(offset, metadata)


def append_times(connection: sqlite3.Connection, *, after: int, below: int) -> Sequence[tuple[int, int]]:
    """(offset, append time) of the first records in (after, below) that the group has committed, bounded."""
    return connection.execute(
        "SELECT offset, appended_at_ms FROM records WHERE offset > ? AND offset < ?"
        " AND offset < (SELECT offset FROM consumer_group WHERE partition = ?) ORDER BY offset LIMIT ?",
        (after, below, PARTITION, PIECE_RECORDS),
    ).fetchall()


def trim_piece(connection: sqlite3.Connection, end: int) -> int:
    """How many of the first records were removed now: those before `end`, bounded."""
    last, records, size = 0, 0, 0
    for offset, length in connection.execute(
        "SELECT offset, length(value) FROM records WHERE offset < ? ORDER BY offset LIMIT ?", (end, PIECE_RECORDS)
    ):
        size += length
        if records and size > PIECE_BYTES:
            break
        last, records = offset, records + 1
    if records:
        connection.execute("DELETE FROM records WHERE offset <= ?", (last,))
    return records


def vacuum_piece(connection: sqlite3.Connection) -> None:
    """Give free pages back to the file system, bounded."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, VACUUMED_PAGES)):
        connection.execute("PRAGMA incremental_vacuum(1)")  # the sqlite3 module steps it only once, so once a page


def add_dead_letter(connection: sqlite3.Connection, now_ms: int, letter: DeadLetter) -> None:
    """Keep it, unless its place has one."""
    connection.execute(
        "INSERT OR IGNORE INTO dead_letters (partition, offset, added_at_ms, reason, headers, value)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (letter.partition, letter.offset, now_ms, letter.reason, pack_headers(letter.headers), letter.value),
    )


def dead_letters(connection: sqlite3.Connection) -> Sequence[DeadLetterEntry]:
    """All of them, in order of place."""
    rows = connection.execute(
        "SELECT partition, offset, reason, length(value) FROM dead_letters ORDER BY partition, offset"
    )
    return [DeadLetterEntry(*row) for row in rows]


def trim_dead_letters_piece(connection: sqlite3.Connection, before_ms: int) -> int:
    """How many of the oldest dead letters were removed now: added before this, and bounded."""
    return connection.execute(
        "DELETE FROM dead_letters WHERE rowid IN"
        " (SELECT rowid FROM dead_letters WHERE added_at_ms < ? ORDER BY rowid LIMIT ?)",
        (before_ms, PIECE_DEAD_LETTERS),
    ).rowcount


def add_note(connection: sqlite3.Connection, now_ms: int, note: bytes) -> None:
    """Keep a note. Its time is not before that of the last record: whoever reads back asks by the records' times."""
    connection.execute(
        "INSERT INTO key_notes (added_at_ms, note) SELECT max(?,"
        " coalesce((SELECT appended_at_ms FROM records ORDER BY offset DESC LIMIT 1), 0)), ?",
        (now_ms, note),
    )


def notes_piece(connection: sqlite3.Connection, *, since_ms: int, after: int) -> Sequence[tuple[int, bytes]]:
    """(id, note) of the first notes beyond this id that were added since then, bounded."""
    return connection.execute(
        "SELECT id, note FROM key_notes WHERE id > ? AND added_at_ms >= ? ORDER BY id LIMIT ?",
        (after, since_ms, PIECE_NOTES),
    ).fetchall()


def trim_notes_piece(connection: sqlite3.Connection, before_ms: int) -> int:
    """How many of the oldest notes were removed now: added before this, and bounded."""
    return connection.execute(
        "DELETE FROM key_notes WHERE id IN (SELECT id FROM key_notes WHERE added_at_ms < ? ORDER BY id LIMIT ?)",
        (before_ms, PIECE_RECORDS),
    ).rowcount


def redate_piece(connection: sqlite3.Connection, now_ms: int) -> int:
    """How many notes and dead letters dated far ahead count as added now from here on, bounded."""
    return sum(
        connection.execute(
            f"UPDATE {table} SET added_at_ms = ? WHERE rowid IN"  # noqa: S608 (our own names)
            f" (SELECT rowid FROM {table} WHERE added_at_ms > ? ORDER BY rowid LIMIT ?)",
            (now_ms, now_ms + FAR_AHEAD_MS, PIECE_NOTES),
        ).rowcount
        for table in ("key_notes", "dead_letters")
    )
