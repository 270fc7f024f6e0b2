"""Trimming: what the embedded log removes, and that no bytes of it are left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.records import CHUNK_RECORDS
from siddes_telemetry.backends.sqlite.trimming import DEAD_LETTERS_KEPT_MS, NOTES_KEPT_MS, RECORDS_KEPT_MS, Trimmed
from tests.contract.log.backends import START_MS, ManualClock
from tests.contract.log.membership import everything_in, owning

CANARY = b"canary-5e1f"
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def log(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(tmp_path / "log.sqlite", clock_ms=clock, rng=random.Random(1))
    yield log
    await log.close()


async def commit(log: SqliteLog, records: int) -> None:
    """Commit this many records after the first in the log."""
    async with owning(log.group_consumer()) as partition:
        first, _ = await partition.bounds()
        await partition.commit_offset(first + records, "")


async def values_in(log: SqliteLog) -> list[bytes]:
    async with owning(log.group_consumer()) as partition:
        return [record.value for record in await everything_in(partition)]


def files_holding(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if needle in file.read_bytes()]


async def test_only_committed_and_old_records_are_removed(log: SqliteLog, clock: ManualClock) -> None:
    for number in range(6):
        clock.set(START_MS + number)
        await log.append(0, b"%d" % number, ())
    assert (await log.trim(START_MS + 2 * RECORDS_KEPT_MS, below=log.end)).records == 0
    await commit(log, 4)
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 2, below=log.end)).records == 2
    assert await values_in(log) == [b"2", b"3", b"4", b"5"]
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 100, below=log.end)).records == 2
    assert await values_in(log) == [b"4", b"5"]


async def appended(log: SqliteLog, clock: ManualClock, *steps_ms: int) -> None:
    """Append a record at each of these times after START_MS, with its number as value, and commit all records."""
    for number, step_ms in enumerate(steps_ms):
        clock.set(START_MS + step_ms)
        await log.append(0, b"%d" % number, ())
    async with owning(log.group_consumer()) as partition:
        await partition.commit_offset(log.end, "")


async def test_records_dated_ahead_are_removed_with_the_next_old_one(log: SqliteLog, clock: ManualClock) -> None:
    await appended(log, clock, 0, 40 * DAY_MS, 40 * DAY_MS, HOUR_MS, 40 * DAY_MS)
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=log.end)).records == 1
    assert await values_in(log) == [b"1", b"2", b"3", b"4"]
    assert (await log.trim(START_MS + HOUR_MS + RECORDS_KEPT_MS + 1, below=log.end)).records == 3
    assert await values_in(log) == [b"4"]


async def test_a_record_that_is_not_far_ahead_keeps_those_behind_it(log: SqliteLog, clock: ManualClock) -> None:
    await appended(log, clock, RECORDS_KEPT_MS + HOUR_MS, 0)
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=log.end)).records == 0
    await appended(log, clock, 2 * RECORDS_KEPT_MS)
    assert (await log.trim(START_MS + 2 * RECORDS_KEPT_MS + HOUR_MS + 1, below=log.end)).records == 2


async def test_more_records_dated_ahead_than_a_chunk_do_not_stop_trimming(log: SqliteLog, clock: ManualClock) -> None:
    clock.set(START_MS + 40 * DAY_MS)
    await asyncio.gather(*(log.append(0, b"ahead", ()) for _ in range(CHUNK_RECORDS + 1)))
    clock.set(START_MS)
    await log.append(0, b"right", ())
    await commit(log, CHUNK_RECORDS + 2)
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=log.end)).records == CHUNK_RECORDS + 2


async def test_no_record_from_the_given_offset_on_is_removed(log: SqliteLog, clock: ManualClock) -> None:
    await appended(log, clock, 0, 0)
    bound = log.end
    await appended(log, clock, -40 * DAY_MS)
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=bound)).records == 2
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=bound)).records == 0
    assert (await log.trim(START_MS + RECORDS_KEPT_MS + 1, below=log.end)).records == 1


async def test_how_long_records_are_kept_is_an_argument(log: SqliteLog) -> None:
    await log.append(0, b"x", ())
    await commit(log, 1)
    assert (await log.trim(START_MS + 10, records_kept_ms=10, below=log.end)).records == 0
    assert (await log.trim(START_MS + 11, records_kept_ms=10, below=log.end)).records == 1


async def test_trimmed_data_is_in_no_file(log: SqliteLog, tmp_path: Path) -> None:
    for number in range(50):
        await log.append(0, CANARY * (1 + number * 40), ((CANARY.decode(), b""),))
    await log.dead_letters.append(DeadLetter(0, 1, "line", CANARY * 1000, ()))
    await log.append(0, b"stays", ())
    assert files_holding(tmp_path, CANARY)
    await commit(log, 50)
    await log.trim(START_MS + DEAD_LETTERS_KEPT_MS + 1, below=log.end)
    assert files_holding(tmp_path, CANARY) == []
    assert await values_in(log) == [b"stays"]


async def test_free_pages_are_given_back(log: SqliteLog, tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"
    for _ in range(40):
        await log.append(0, bytes(400_000), ())
    await commit(log, 40)
    await log.append(0, b"stays", ())
    await log._reading.checkpoint()
    assert file.stat().st_size > 15_000_000
    assert (await log.trim(START_MS + 2 * RECORDS_KEPT_MS, below=log.end)).records == 40
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 500_000


async def test_trimming_works_in_chunks_between_appends(log: SqliteLog) -> None:
    records = 2 * CHUNK_RECORDS + 1
    await asyncio.gather(*(log.append(0, b"old", ()) for _ in range(records)))
    await commit(log, records)
    trimming = asyncio.create_task(log.trim(START_MS + 2 * RECORDS_KEPT_MS, below=log.end))
    appended = 0
    while not trimming.done():
        await log.append(0, b"new", ())
        appended += 1
    assert await trimming == Trimmed(records, 0)
    assert await values_in(log) == [b"new"] * appended
    assert appended > 1


async def test_old_dead_letters_are_removed(log: SqliteLog, clock: ManualClock) -> None:
    for number in range(40):
        await log.dead_letters.append(DeadLetter(0, number, "line", b"x", ()))
    clock.set(START_MS + 1)
    await log.dead_letters.append(DeadLetter(0, 40, "line", b"x", ()))
    assert await log.trim(START_MS + DEAD_LETTERS_KEPT_MS + 1, below=log.end) == Trimmed(0, 40)
    assert [entry.offset for entry in await log.dead_letters.entries()] == [40]


async def test_old_notes_are_removed_and_in_no_file(log: SqliteLog, clock: ManualClock, tmp_path: Path) -> None:
    journal = log.journal(JournalMetrics(CollectorRegistry()))
    journal.append(0, CANARY * 1000)
    await journal.close()
    clock.set(START_MS + NOTES_KEPT_MS)
    journal = log.journal(JournalMetrics(CollectorRegistry()))
    journal.append(0, b"young")
    await journal.close()
    await log.trim(START_MS + NOTES_KEPT_MS, below=log.end)
    assert len([note async for note in journal.notes(0, 0)]) == 2
    await log.trim(START_MS + NOTES_KEPT_MS + 1, below=log.end)
    assert [note async for note in journal.notes(0, 0)] == [b"young"]
    assert files_holding(tmp_path, CANARY) == []


async def test_dead_letters_and_notes_dated_ahead_are_dated_anew(log: SqliteLog, clock: ManualClock) -> None:
    now_ms = START_MS - 40 * DAY_MS  # the clock that says START_MS is ahead
    for offset in range(40):
        await log.dead_letters.append(DeadLetter(0, offset, "line", b"x", ()))
    journal = log.journal(JournalMetrics(CollectorRegistry()))
    for _ in range(40):
        journal.append(0, b"note")
    await journal.close()
    clock.set(now_ms)
    for later_ms, letters, notes in (
        (0, 40, 40),
        (NOTES_KEPT_MS, 40, 40),
        (NOTES_KEPT_MS + 1, 40, 0),
        (DEAD_LETTERS_KEPT_MS, 40, 0),
        (DEAD_LETTERS_KEPT_MS + 1, 0, 0),
    ):
        await log.trim(now_ms + later_ms, below=log.end)
        assert len(await log.dead_letters.entries()) == letters
        assert len([note async for note in journal.notes(0, 0)]) == notes


async def test_a_dead_letter_a_little_ahead_keeps_its_time(log: SqliteLog) -> None:
    await log.dead_letters.append(DeadLetter(0, 1, "line", b"x", ()))
    await log.trim(START_MS - HOUR_MS, below=log.end)
    assert await log.trim(START_MS - HOUR_MS + DEAD_LETTERS_KEPT_MS + 1, below=log.end) == Trimmed(0, 0)
    assert await log.trim(START_MS + DEAD_LETTERS_KEPT_MS + 1, below=log.end) == Trimmed(0, 1)
