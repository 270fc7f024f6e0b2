"""Removes old records, dead letters and key notes from the embedded log's file, and gives their pages back.

Each step removes one chunk, in a transaction that appends may share. SQLite overwrites what it removes (secure_delete).

A wrong clock may have dated something far in the future. A record with such a date is removed together with the next
record that is old enough. Dead letters and notes with such a date are dated anew: they count as added now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter

from siddes_telemetry.backends.ports.administration import FAR_AHEAD_MS
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.reading_thread import ReadingThread
from siddes_telemetry.backends.sqlite.records import CHUNK_BYTES, CHUNK_RECORDS
from siddes_telemetry.backends.sqlite.tail import Tail
from siddes_telemetry.backends.sqlite.writing_thread import WritingThread
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

RECORDS_KEPT_MS = DAY_MS  # stored records stay a day, for an operator to look at, and for client retries
NOTES_KEPT_MS = HOUR_MS  # as on Kafka: ten minutes are needed
DEAD_LETTERS_KEPT_MS = 30 * DAY_MS  # as on Kafka: time for an operator to act on them

# The other tables' chunks are smaller: a note may have half a MiB, a dead letter a whole record.
_CHUNK_NOTES = 16
_CHUNK_DEAD_LETTERS = 16
_CHUNK_PAGES = 4096  # given back after each chunk: more than a chunk frees, so that free pages do not pile up


class Trimmed(NamedTuple):
    """How many of each were removed."""

    records: int
    dead_letters: int


class SqliteTrimMetrics:
    """Counters of trimming."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "siddes_log_records_trimmed", "Stored records that the log let go after a day.", registry=registry
        )
        self.dead_letters = Counter(
            "siddes_log_dead_letters_trimmed", "Dead letters that the log let go after 30 days.", registry=registry
        )
        self.failures = Counter(
            "siddes_log_trim_failures", "Times that the log could not be trimmed: it grows.", registry=registry
        )


async def trim(
    reading: ReadingThread,
    writing: WritingThread,
    tail: Tail,
    now_ms: int,
    *,
    below: int,
    records_kept_ms: int,
    dead_letters_kept_ms: int,
) -> Trimmed:
    """Remove everything that is old enough; of records only those below `below` and the committed offset.

    Raises LogUnavailable.
    """
    while await writing.run(lambda c: _redate_chunk(c, now_ms)):
        pass
    notes = await _remove(writing, _remove_notes_chunk, now_ms - NOTES_KEPT_MS)
    letters = await _remove(writing, _remove_dead_letters_chunk, now_ms - dead_letters_kept_ms)
    end = await _trim_end(reading, below, now_ms - records_kept_ms, now_ms + FAR_AHEAD_MS)
    records = await _remove(writing, _remove_records_chunk, end)
    if records:
        tail.forget()
    if notes or letters or records:
        await reading.checkpoint()
    return Trimmed(records, letters)


async def _trim_end(reading: ReadingThread, below: int, before_ms: int, ahead_ms: int) -> int:
    """The offset before which all records may go: after the last old record that follows no young one."""
    end = at = 0
    while page := await reading.run(partial(_committed_append_times, after=at, below=below)):
        for at, appended_at_ms in page:
            if appended_at_ms < before_ms:
                end = at + 1
            elif appended_at_ms <= ahead_ms:
                return end
    return end


async def _remove(writing: WritingThread, remove_chunk: Callable[[sqlite3.Connection, int], int], before: int) -> int:
    """How many were removed, chunk by chunk, until none is left."""

    def remove(connection: sqlite3.Connection) -> int:
        removed = remove_chunk(connection, before)
        _vacuum_chunk(connection)
        return removed

    removed = 0
    while in_chunk := await writing.run(remove):
        removed += in_chunk
    return removed


def _committed_append_times(connection: sqlite3.Connection, *, after: int, below: int) -> Sequence[tuple[int, int]]:
    """(offset, append time) of the first chunk in (after, below) that is below the committed offset too."""
    return connection.execute(
        "SELECT offset, appended_at_ms FROM records WHERE offset > ? AND offset < ?"
        " AND offset < (SELECT offset FROM consumer_group WHERE partition = ?) ORDER BY offset LIMIT ?",
        (after, below, PARTITION, CHUNK_RECORDS),
    ).fetchall()


def _remove_records_chunk(connection: sqlite3.Connection, end: int) -> int:
    """Remove the first chunk of records before the offset `end`; returns how many."""
    last, records, size = 0, 0, 0
    for offset, length in connection.execute(
        "SELECT offset, length(value) FROM records WHERE offset < ? ORDER BY offset LIMIT ?", (end, CHUNK_RECORDS)
    ):
        size += length
        if records and size > CHUNK_BYTES:
            break
        last, records = offset, records + 1
    if records:
        connection.execute("DELETE FROM records WHERE offset <= ?", (last,))
    return records


def _remove_dead_letters_chunk(connection: sqlite3.Connection, before_ms: int) -> int:
    """Remove the oldest chunk of dead letters that were added before this; returns how many."""
    return connection.execute(
        "DELETE FROM dead_letters WHERE rowid IN"
        " (SELECT rowid FROM dead_letters WHERE added_at_ms < ? ORDER BY rowid LIMIT ?)",
        (before_ms, _CHUNK_DEAD_LETTERS),
    ).rowcount


def _remove_notes_chunk(connection: sqlite3.Connection, before_ms: int) -> int:
    """Remove the oldest chunk of key notes that were added before this; returns how many."""
    return connection.execute(
        "DELETE FROM key_notes WHERE id IN (SELECT id FROM key_notes WHERE added_at_ms < ? ORDER BY id LIMIT ?)",
        (before_ms, CHUNK_RECORDS),
    ).rowcount


def _redate_chunk(connection: sqlite3.Connection, now_ms: int) -> int:
    """Give a chunk of the notes and dead letters that are dated far in the future the time now; returns how many."""
    return sum(
        connection.execute(
            f"UPDATE {table} SET added_at_ms = ? WHERE rowid IN"  # noqa: S608 (our own names)
            f" (SELECT rowid FROM {table} WHERE added_at_ms > ? ORDER BY rowid LIMIT ?)",
            (now_ms, now_ms + FAR_AHEAD_MS, _CHUNK_NOTES),
        ).rowcount
        for table in ("key_notes", "dead_letters")
    )


def _vacuum_chunk(connection: sqlite3.Connection) -> None:
    """Give free pages back to the file system."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, _CHUNK_PAGES)):
        connection.execute("PRAGMA incremental_vacuum(1)")  # one page, because sqlite3 steps this pragma only once
