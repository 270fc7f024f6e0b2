"""Notes on their way into a journal: bounded, in order, and dropped rather than waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry, Counter

from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable

QUEUE_BYTES = 8 * 1024 * 1024  # some blocks of every partition: a broker may be away for seconds without a loss
LEAVE_S = 5.0  # for one note; mostly it takes milliseconds
CLOSE_S = 1.0  # for what is queued at the end: its loss costs the reading of a second's records

Leave = Callable[[int, bytes], Awaitable[None]]

log = structlog.get_logger(__name__)


class JournalMetrics:
    """What a journal counts. Labels hold our own words only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.notes = Counter("siddes_journal_notes", "Notes left in the journal of keys.", registry=registry)
        self.dropped = Counter(
            "siddes_journal_notes_dropped", "Notes given up: the log is read instead.", ["reason"], registry=registry
        )


class JournalQueue:
    """Leaves notes one by one, by `leave`, which may raise LogUnavailable, or ValueError for what is too large."""

    def __init__(self, leave: Leave, metrics: JournalMetrics) -> None:
        self._leave = leave
        self._metrics = metrics
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._bytes = 0
        self._trouble = ""
        self._closed = False
        self._leaving: asyncio.Task[None] | None = None

    def put(self, partition: int, note: bytes) -> None:
        """Take it along, or drop it. Never blocks."""
        if self._closed or self._bytes + len(note) > QUEUE_BYTES:
            self._drop("closed" if self._closed else "queue_full")
            return
        self._bytes += len(note)
        self._queue.put_nowait((partition, note))
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._leave_for_ever())

    async def close(self) -> None:
        """Leave what is queued, as far as that goes within CLOSE_S."""
        self._closed = True
        if self._leaving is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._queue.join()
        except TimeoutError:
            for _ in range(self._queue.qsize()):
                self._drop("closed")
        self._leaving.cancel()
        await asyncio.wait({self._leaving})

    async def _leave_for_ever(self) -> None:
        while True:
            partition, note = await self._queue.get()
            try:
                async with asyncio.timeout(LEAVE_S):
                    await self._leave(partition, note)
            except LogMissing:
                self._drop("missing")
            except (LogUnavailable, TimeoutError):
                self._drop("unavailable")
            except ValueError:
                self._drop("too_large")
            except asyncio.CancelledError:
                self._drop("closed")
                raise
            else:
                self._trouble = ""
                self._metrics.notes.inc()
            finally:
                self._bytes -= len(note)
                self._queue.task_done()

    def _drop(self, reason: str) -> None:
        if self._trouble != reason:
            log.warning("journal_note_dropped", reason=reason)
        self._trouble = reason
        self._metrics.dropped.labels(reason).inc()
