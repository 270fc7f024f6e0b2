"""A snapshot of the embedded log's file: one state of it, which can be copied while appends go on.

It is a read transaction on a connection of its own. In WAL mode such a transaction keeps its state whatever is written
meanwhile, and hinders no write (https://sqlite.org/wal.html#concurrency). SQLite's backup interface copies the pages
(https://sqlite.org/backup.html); it would begin again after each write if the transaction were not open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.sqlite import records

STEP_PAGES = 256  # a MiB: the copy can be stopped, and other threads run, between two steps


class CopyFailed(Exception):
    """SQLite could not write the copy. `full`: its disk is full."""

    def __init__(self, *, full: bool) -> None:
        super().__init__("the disk is full" if full else "it cannot be written")
        self.full = full


class LogSnapshot:
    """One state of the log's file. Used by one thread at a time. Close it: until then the WAL grows.

    It has everything that was appended before `taken_at_ms`, and whatever was appended until it was taken.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], now_ms: int) -> None:
        """Takes the snapshot. Raises LogUnavailable."""
        self.taken_at_ms = now_ms
        try:
            self._connection = connect()
            self._connection.execute("BEGIN")
            _, self.next_offset = records.bounds(self._connection)  # the first read begins the transaction
            self.size = self._pragma("page_count") * self._pragma("page_size")  # bytes
        except sqlite3.Error:
            raise LogUnavailable("the log file cannot be read") from None

    def copy(self, path: Path, progress: Callable[[int], None]) -> None:
        """Write the state into an empty file. It is a complete log, not yet fsynced. Raises CopyFailed.

        `progress` is called with the bytes copied so far. An exception of it ends the copy, and is raised.
        """
        page_size = self._pragma("page_size")

        def report(_status: int, left: int, pages: int) -> None:
            progress((pages - left) * page_size)

        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as target:
                target.execute("PRAGMA journal_mode=OFF")  # a copy that fails is thrown away
                target.execute("PRAGMA synchronous=OFF")
                self._connection.backup(target, pages=STEP_PAGES, progress=report)
        except sqlite3.Error as error:
            raise CopyFailed(full=getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL) from None

    def close(self) -> None:
        """End the transaction. Idempotent."""
        self._connection.close()

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)
