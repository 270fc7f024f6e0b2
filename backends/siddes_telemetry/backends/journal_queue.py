"""A bounded queue of key notes on their way into a key journal. A note that would have to wait is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry, Counter

from siddes_telemetry.backends.ports.errors import LogUnavailable

QUEUE_BYTES = 8 * 1024 * 1024  # some blocks of every partition: a broker may be away for seconds without a loss
WRITE_S = 5.0  # for one note; mostly it takes milliseconds
CLOSE_S = 1.0  # for what is queued at the end: a lost note costs the next owner the reading of a second's records

WriteNote = Callable[[int, bytes], Awaitable[None]]

log = structlog.get_logger(__name__)


class JournalMetrics:
    """The metrics of a key journal. Labels hold our own words only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.notes = Counter("siddes_journal_notes", "Notes left in the journal of keys.", registry=registry)
        self.dropped = Counter(
            "siddes_journal_notes_dropped", "Notes given up: the log is read instead.", ["reason"], registry=registry
        )


class JournalQueue:
    """Writes notes one by one. `write` may raise LogUnavailable, or ValueError for a note that is too large."""

    def __init__(self, write: WriteNote, metrics: JournalMetrics) -> None:
        self._write = write
        self._metrics = metrics
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._bytes = 0
        self._last_drop = ""  # its reason; empty after a success: a series of drops is logged once
        self._closed = False
        self._writing: asyncio.Task[None] | None = None

    def put(self, partition: int, note: bytes) -> None:
        """Queue the note, or drop it. Never blocks."""
        if self._closed or self._bytes + len(note) > QUEUE_BYTES:
            self._drop("closed" if self._closed else "queue_full")
            return
        self._bytes += len(note)
        self._queue.put_nowait((partition, note))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write_queued())

    async def close(self) -> None:
        """Write what is queued, as far as CLOSE_S suffices."""
        self._closed = True
        if self._writing is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._queue.join()
        except TimeoutError:
            for _ in range(self._queue.qsize()):
                self._drop("closed")
        self._writing.cancel()
        await asyncio.wait({self._writing})

    async def _write_queued(self) -> None:
        while True:
            partition, note = await self._queue.get()
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._write(partition, note)
            except LogUnavailable as failed:
                self._drop(failed.reason)
            except TimeoutError:
                self._drop("unavailable")
            except ValueError:
                self._drop("too_large")
            except asyncio.CancelledError:
                self._drop("closed")
                raise
            else:
                self._last_drop = ""
                self._metrics.notes.inc()
            finally:
                self._bytes -= len(note)
                self._queue.task_done()

    def _drop(self, reason: str) -> None:
        if self._last_drop != reason:
            log.warning("journal_note_dropped", reason=reason)
        self._last_drop = reason
        self._metrics.dropped.labels(reason).inc()
