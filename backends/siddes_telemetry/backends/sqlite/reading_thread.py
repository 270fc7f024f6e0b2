"""The thread that reads the embedded log's file, with a connection of its own: reads never wait for an fsync."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from siddes_telemetry.backends.ports.errors import LogUnavailable

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]


class ReadingThread:
    """Runs queries in order, each on one snapshot of the file."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-log-read")
        self._closed = False

    async def run(self, query: Query[T]) -> T:
        """The result of `query`. Raises LogUnavailable for a sqlite3.Error, and any other error of `query`."""
        return await self._in_thread(lambda: self._query(lambda connection: _on_snapshot(connection, query)))

    async def checkpoint(self) -> None:
        """Move the WAL into the file and truncate it, so that neither keeps trimmed data. Raises LogUnavailable.

        It runs in this thread, so that no read of ours blocks it. Writes wait for it.
        """
        await self._in_thread(lambda: self._query(_checkpoint))

    async def close(self) -> None:
        """Close the connection and end the thread."""
        if not self._closed:
            closing = self._in_thread(self._disconnect)
            self._closed = True
            await closing
            self._thread.shutdown(wait=False)

    def _in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        if self._closed:
            raise LogUnavailable("the log is closed")
        return asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _query(self, query: Query[T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return query(self._connection)
        except sqlite3.Error:
            self._disconnect()
            raise LogUnavailable("the log file cannot be read") from None

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # it failed already, or is not needed any more
                self._connection.close()
        self._connection = None


def _on_snapshot(connection: sqlite3.Connection, query: Query[T]) -> T:
    connection.execute("BEGIN")
    try:
        return query(connection)
    finally:
        connection.execute("COMMIT")


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
