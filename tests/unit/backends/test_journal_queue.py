"""The queue of key notes never blocks its caller, and drops notes that would have to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from siddes_telemetry.backends.journal_queue import CLOSE_S, QUEUE_BYTES, WRITE_S, JournalMetrics, JournalQueue
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from tests.fakes.virtual_time import in_virtual_time, until

HUGE = bytes(QUEUE_BYTES // 4)


class Journal:
    """Where notes are left: `trouble` is raised for each; while `held` they are not acknowledged."""

    def __init__(self) -> None:
        self.left: list[tuple[int, bytes]] = []
        self.trouble: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self._registry = CollectorRegistry()
        self.queue = JournalQueue(self.leave, JournalMetrics(self._registry))

    async def leave(self, partition: int, note: bytes) -> None:
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        self.left.append((partition, note))

    def counted(self) -> float:
        return self._registry.get_sample_value("siddes_journal_notes_total") or 0

    def dropped(self, reason: str) -> float:
        return self._registry.get_sample_value("siddes_journal_notes_dropped_total", {"reason": reason}) or 0


@in_virtual_time
async def test_notes_are_left_one_by_one_in_order() -> None:
    journal = Journal()
    for number in range(5):
        journal.queue.put(number, b"%d" % number)
    await journal.queue.close()
    assert journal.left == [(number, b"%d" % number) for number in range(5)]
    assert journal.counted() == 5


@in_virtual_time
async def test_what_does_not_fit_into_the_queue_is_dropped_until_there_is_room_again() -> None:
    journal = Journal()
    journal.open.clear()
    for _ in range(6):
        journal.queue.put(0, HUGE)
    assert journal.dropped("queue_full") == 2
    journal.open.set()
    await until(lambda: len(journal.left) == 4)
    journal.queue.put(0, HUGE)
    await journal.queue.close()
    assert (journal.counted(), journal.dropped("queue_full")) == (5, 2)


@in_virtual_time
async def test_a_journal_that_does_not_answer_is_not_waited_for() -> None:
    journal = Journal()
    journal.open.clear()
    journal.queue.put(0, b"lost")
    await asyncio.sleep(WRITE_S + 1)
    assert journal.dropped("unavailable") == 1
    journal.open.set()
    journal.queue.put(0, b"kept")
    await journal.queue.close()
    assert journal.left == [(0, b"kept")]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda: LogMissing("no topic"), "missing"),
        (lambda: LogUnavailable("no broker"), "unavailable"),
        (lambda: ValueError("no room"), "too_large"),
    ],
)
@in_virtual_time
async def test_an_outage_is_counted_note_by_note_and_said_once(trouble: Callable[[], Exception], reason: str) -> None:
    journal = Journal()
    with capture_logs() as logs:
        for _ in range(2):
            journal.trouble = trouble()
            for _ in range(3):
                journal.queue.put(0, b"lost")
            await until(journal.queue._queue.empty)
            journal.trouble = None
            journal.queue.put(0, b"kept")
            await until(lambda: journal.left.pop() if journal.left else None)
    assert journal.dropped(reason) == 6
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("journal_note_dropped", reason)] * 2
    await journal.queue.close()


@in_virtual_time
async def test_the_end_does_not_wait_for_a_journal_that_does_not_answer() -> None:
    journal = Journal()
    journal.open.clear()
    for _ in range(3):
        journal.queue.put(0, b"lost")
    began_s = asyncio.get_running_loop().time()
    await journal.queue.close()
    assert asyncio.get_running_loop().time() - began_s < CLOSE_S + 0.1
    journal.queue.put(0, b"too late")
    assert journal.dropped("closed") == 4
