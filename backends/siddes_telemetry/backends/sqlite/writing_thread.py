"""The thread that writes the embedded log's file. Writes that arrive during a commit share the next transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]

MAX_SHARED = 256  # writes in one transaction: bounds how long the first waits for others to join


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    write: Write[T]
    future: asyncio.Future[T]
    one_statement: bool


class WritingThread:
    """Runs writes in order, each exactly once, in durable transactions. Used from one event loop.

    A failed write also fails the writes that share its transaction. The next transaction opens a new connection, so
    that an outage (disk full, I/O error) needs no restart.
    """

    def __init__(self, connection: sqlite3.Connection, reconnect: Callable[[], sqlite3.Connection]) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._reconnect = reconnect
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._stopped: asyncio.Future[None] | None = None
        self._failing = False
        # A daemon, so that a process that never closes the log still exits. That loses no more than a kill: nothing.
        self._thread = threading.Thread(target=self._serve, name="sqlite-log-write", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> bool:
        """Whether the last transaction failed."""
        return self._failing

    def submit(self, write: Write[T], *, one_statement: bool = False) -> asyncio.Future[T]:
        """A future of the result of `write`, done once the write is durable. Its exception is LogUnavailable.

        `one_statement`: the write is a single statement, so that alone it needs no explicit transaction.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._stopped is None:
            self._queue.put(_Job(write, future, one_statement))
        else:
            future.set_exception(LogUnavailable("the log is closed"))
        return future

    async def run(self, write: Write[T]) -> T:
        """The result of `write`, once durable. Cancelling stops the wait, not the write. Raises LogUnavailable."""
        return await asyncio.shield(self.submit(write))

    async def close(self) -> None:
        """Finish the submitted writes, close the connection and end the thread."""
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
            self._queue.put(None)
        await asyncio.shield(self._stopped)

    # The methods below run in the thread.

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            waiting = [self._queue.get()]
            while len(waiting) < MAX_SHARED and not self._queue.empty():
                waiting.append(self._queue.get())
            stopping = None in waiting
            if jobs := [job for job in waiting if job is not None]:
                self._answer(jobs, self._transact(jobs))
        self._disconnect()
        if self._stopped is not None:
            _call_in_loop(self._stopped, _settle, self._stopped, None)

    def _transact(self, jobs: Sequence[_Job[Any]]) -> Sequence[Any] | None:
        """The result of each write, after the COMMIT; None if the transaction failed."""
        try:
            if self._connection is None:
                self._connection = self._reconnect()
            results = _run_all(self._connection, jobs)
        except Exception as error:  # noqa: BLE001 (if the thread died, every append would wait forever)
            self._disconnect()  # rolls back
            if not self._failing:
                reason = getattr(error, "sqlite_errorname", type(error).__name__)
                log.error("log_write_failed", reason=reason, writes=len(jobs))
            self._failing = True
            return None
        if self._failing:
            log.info("log_write_recovered")
        self._failing = False
        return results

    def _answer(self, jobs: Sequence[_Job[Any]], results: Sequence[Any] | None) -> None:
        futures = [job.future for job in jobs]
        _call_in_loop(futures[0], _settle_all, futures, results)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # it failed already, and has been logged
                self._connection.close()
        self._connection = None


def _run_all(connection: sqlite3.Connection, jobs: Sequence[_Job[Any]]) -> Sequence[Any]:
    """The result of each write; all are durable.

    A single statement runs in its own implicit transaction. BEGIN, the statement and COMMIT would each wait for the
    GIL, which the event loop is using.
    """
    if len(jobs) == 1 and jobs[0].one_statement:
        return [jobs[0].write(connection)]
    connection.execute("BEGIN IMMEDIATE")
    results = [job.write(connection) for job in jobs]
    connection.execute("COMMIT")
    return results


def _call_in_loop(future: asyncio.Future[Any], call: Callable[..., None], *args: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits for the result
        future.get_loop().call_soon_threadsafe(call, *args)


def _settle_all(futures: Sequence[asyncio.Future[Any]], results: Sequence[Any] | None) -> None:
    for future, result in zip(futures, results or [None] * len(futures), strict=True):
        _settle(future, LogUnavailable("the log file cannot be written") if results is None else result)


def _settle(future: asyncio.Future[Any], result: object) -> None:
    if future.cancelled():
        return
    if isinstance(result, LogUnavailable):
        future.set_exception(result)
    else:
        future.set_result(result)
