"""The file of the embedded log: how it is made, recognised and opened.

WAL and synchronous=FULL: a COMMIT that returned is fsynced (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from siddes_telemetry.backends.ports.errors import BackendError, LogUnavailable

FORMAT = 1
PARTITION = 0  # the embedded log is one partition
ORIGIN = 1  # its first offset: AUTOINCREMENT begins there
_APPLICATION_ID = 0x53444C47  # "SDLG": tells our files from other SQLite databases
_BUSY_TIMEOUT_S = 5.0  # longest another process may hold the file; one process at a time is the rule
_WAL_KEPT_BYTES = 16 * 1024 * 1024  # what a burst may leave of the WAL after its checkpoint

# An offset is never given twice, trimmed or not: AUTOINCREMENT, https://sqlite.org/autoinc.html.
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE records (
    offset INTEGER PRIMARY KEY AUTOINCREMENT, appended_at_ms INTEGER NOT NULL, headers BLOB NOT NULL,
    value BLOB NOT NULL
);
CREATE TABLE consumer_group (
    partition INTEGER PRIMARY KEY, generation INTEGER NOT NULL, offset INTEGER, metadata TEXT
);
CREATE TABLE dead_letters (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, added_at_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    headers BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (partition, offset)
);
INSERT INTO consumer_group (partition, generation) VALUES ({PARTITION}, 0);
INSERT INTO meta (name, value) VALUES ('format', {FORMAT}), ('newest_trimmed_ms', 0), ('times_proved_writable', 0);
"""  # noqa: S608 (our own integers)
# newest_trimmed_ms: versions whose append times never stepped back ask for it where there is no record.

# Younger than the format: files of earlier versions lack it, and earlier versions do not look at it.
_NOTES = """CREATE TABLE IF NOT EXISTS key_notes (
    id INTEGER PRIMARY KEY, added_at_ms INTEGER NOT NULL, note BLOB NOT NULL
)"""


class LogFileRefused(BackendError):
    """This file is no log of ours, or one of a newer version: it is left untouched."""


def open_or_make(path: Path, random_bits: Callable[[int], int]) -> tuple[sqlite3.Connection, int]:
    """(a connection to write with, the identity of the log), making the file where there is none.

    The file is 0600, a folder made for it 0700. Raises LogFileRefused or LogUnavailable.
    """
    try:
        _make_durably(path)
        connection = connect(path)
    except OSError:
        raise LogUnavailable("the log file cannot be made") from None
    except sqlite3.Error as error:
        raise _opening_failed(error) from None
    try:
        return connection, _recognise(connection, random_bits)
    except sqlite3.Error as error:
        connection.close()
        raise _opening_failed(error) from None
    except BackendError:
        connection.close()
        raise


def connect(path: Path, *, writing: bool = True) -> sqlite3.Connection:
    """A connection to a file that is there already. Raises sqlite3.Error.

    It may go to another thread, as long as one at a time uses it. Transactions are begun and ended by hand.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",  # rw: a file that vanished is an outage, not a new empty log
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # what was trimmed is overwritten, not just unlinked
    connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
    connection.execute(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    return connection


def _make_durably(path: Path) -> None:
    """Make an empty file where there is none, and its directory entries durable (SQLite syncs only its journals')."""
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        _fsync_folder(folder.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    _fsync_folder(folder)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _recognise(connection: sqlite3.Connection, random_bits: Callable[[int], int]) -> int:
    if _is_empty(connection):
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first page is written, or never
        connection.execute("PRAGMA journal_mode=WAL")
        _fill(connection, random_bits(32))
    if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        raise LogFileRefused("this file is not a telemetry log")
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    if meta["format"] > FORMAT:
        raise LogFileRefused(f"this log has format {meta['format']}; this version reads up to {FORMAT}: upgrade")
    connection.execute(_NOTES)
    return int(meta["log_id"])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _fill(connection: sqlite3.Connection, log_id: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _is_empty(connection):  # else another process was first
        for statement in _SCHEMA.split(";"):  # executescript would commit before it
            connection.execute(statement)
        connection.execute("INSERT INTO meta (name, value) VALUES ('log_id', ?)", (log_id,))
    connection.execute("COMMIT")


def _opening_failed(error: sqlite3.Error) -> BackendError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return LogFileRefused("this file is not a telemetry log")
    return LogUnavailable(f"the log file cannot be opened: {getattr(error, 'sqlite_errorname', 'closed')}")
