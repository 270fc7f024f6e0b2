"""The file of the embedded log: its schema, and how it is created, checked and opened.

WAL and synchronous=FULL: a COMMIT that returned is fsynced (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from siddes_telemetry.backends.fsync import fsync_path
from siddes_telemetry.backends.ports.errors import BackendError, LogUnavailable

FORMAT = 1
PARTITION = 0  # the embedded log is one partition
ORIGIN = 1  # its first offset: AUTOINCREMENT begins there
_APPLICATION_ID = 0x53444C47  # "SDLG": distinguishes our files from other SQLite databases
_BUSY_TIMEOUT_S = 5.0  # how long to wait for another process that holds the file; there should be none
_WAL_KEPT_BYTES = 16 * 1024 * 1024  # the WAL's size after the checkpoint that follows a burst

# AUTOINCREMENT: an offset is never given twice, even after trimming (https://sqlite.org/autoinc.html).
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
_TEXT = "text:"  # the column turns a text of digits alone into a number
# newest_trimmed_ms: read by earlier versions, whose append times never stepped back, if there are no records.

# Added without a new format: files of earlier versions do not have it, and earlier versions ignore it.
_IMPORTS = """CREATE TABLE IF NOT EXISTS imports (
    log_id INTEGER NOT NULL, began_at_ms INTEGER NOT NULL, day TEXT NOT NULL, offset INTEGER NOT NULL,
    metadata TEXT NOT NULL, PRIMARY KEY (log_id, began_at_ms)
)"""
_NOTES = """CREATE TABLE IF NOT EXISTS key_notes (
    id INTEGER PRIMARY KEY, added_at_ms INTEGER NOT NULL, note BLOB NOT NULL
)"""


class LogFileRefused(BackendError):
    """The file is not a log of ours, or has a newer format. It is not changed."""


def open_or_make(path: Path, random_bits: Callable[[int], int]) -> tuple[sqlite3.Connection, int]:
    """Open the file, creating it if there is none; returns (a connection for writing, the log's id).

    A new file has mode 0600, a new folder 0700. Raises LogFileRefused or LogUnavailable.
    """
    try:
        _make_durably(path)
        connection = connect(path)
    except OSError:
        raise LogUnavailable("the log file cannot be made") from None
    except sqlite3.Error as error:
        raise _opening_failed(error) from None
    try:
        return connection, _check_format(connection, random_bits)
    except sqlite3.Error as error:
        connection.close()
        raise _opening_failed(error) from None
    except BackendError:
        connection.close()
        raise


def check_intact(path: Path) -> None:
    """Read the whole file, if there is one. Raises LogFileRefused if it is damaged."""
    if not path.exists():
        return
    try:
        with closing(connect(path)) as connection:
            intact = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        intact = False
    if not intact:
        raise LogFileRefused(
            "the log file is damaged: restore a backup, or move log.sqlite* away (see After a disaster)"
        )


def connect(path: Path, *, writing: bool = True) -> sqlite3.Connection:
    """A connection to an existing file. Raises sqlite3.Error.

    Another thread may use it, but only one at a time. Transactions are begun and ended explicitly.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",  # rw: a missing file is an outage, not a new empty log
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # trimmed data is overwritten, not just unlinked
    connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
    connection.execute(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    return connection


def prove_writable(connection: sqlite3.Connection) -> None:
    """Write a new value, because SQLite skips a write that changes nothing. Raises sqlite3.Error."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'times_proved_writable'")


def key_fingerprint(connection: sqlite3.Connection) -> str | None:
    """The fingerprint of the key of pseudonyms that this instance began with; None before its first start with one."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_fingerprint'").fetchone()
    return None if found is None else str(found[0]).removeprefix(_TEXT)


def write_key_fingerprint(connection: sqlite3.Connection, fingerprint: str) -> None:
    """Keep it, durably. Raises sqlite3.Error."""
    connection.execute("REPLACE INTO meta (name, value) VALUES ('key_fingerprint', ?)", (_TEXT + fingerprint,))


def _make_durably(path: Path) -> None:
    """Create an empty file if there is none, and fsync its folder: SQLite does that only for its journals."""
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        fsync_path(folder.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    fsync_path(folder)


def _check_format(connection: sqlite3.Connection, random_bits: Callable[[int], int]) -> int:
    if _is_empty(connection):
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # possible only before the first page is written
        connection.execute("PRAGMA journal_mode=WAL")
        _fill(connection, random_bits(32))
    if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        raise LogFileRefused("this file is not a telemetry log")
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    if meta["format"] > FORMAT:
        raise LogFileRefused(f"this log has format {meta['format']}; this version reads up to {FORMAT}: upgrade")
    connection.execute(_NOTES)
    connection.execute(_IMPORTS)
    return int(meta["log_id"])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _fill(connection: sqlite3.Connection, log_id: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _is_empty(connection):  # otherwise another process was first
        for statement in _SCHEMA.split(";"):  # executescript would commit first
            connection.execute(statement)
        connection.execute("INSERT INTO meta (name, value) VALUES ('log_id', ?)", (log_id,))
    connection.execute("COMMIT")


def _opening_failed(error: sqlite3.Error) -> BackendError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return LogFileRefused("this file is not a telemetry log")
    return LogUnavailable(f"the log file cannot be opened: {getattr(error, 'sqlite_errorname', 'closed')}")
