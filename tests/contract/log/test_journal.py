"""Notes beside a log."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.log.backends import START_MS, LogUnderTest
from tests.contract.log.membership import PATIENCE_S

HOUR_MS = 3_600_000
LARGE = 512 * 1024


async def notes_in(log: LogUnderTest, partition: int, since_ms: int = 0) -> list[bytes]:
    return [note async for note in log.journal.notes(partition, since_ms)]


async def arrived(log: LogUnderTest, partition: int, notes: int) -> list[bytes]:
    """So many notes: they are left some time soon, and nothing tells when."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await notes_in(log, partition)) < notes:  # noqa: ASYNC110  # as said
            await asyncio.sleep(0.05)
    return found


async def test_there_are_none_at_first(log: LogUnderTest) -> None:
    assert await notes_in(log, 0) == []


async def test_notes_are_given_in_the_order_they_were_left(log: LogUnderTest) -> None:
    left = [b"%d" % number for number in range(50)]
    for note in left:
        log.journal.append(0, note)
    assert await arrived(log, 0, 50) == left
    assert await notes_in(log, 0) == left, "giving them takes none away"


async def test_large_notes_are_given_whole(log: LogUnderTest) -> None:
    left = [bytes([number]) * LARGE for number in range(12)]
    for note in left:
        log.journal.append(0, note)
    assert await arrived(log, 0, 12) == left


async def test_each_partition_has_its_own(log: LogUnderTest) -> None:
    if log.partitions == 1:
        pytest.skip("one partition only")
    log.journal.append(0, b"of the first")
    log.journal.append(2, b"of the third")
    assert await arrived(log, 0, 1) == [b"of the first"]
    assert await arrived(log, 2, 1) == [b"of the third"]
    assert await notes_in(log, 1) == []


async def test_what_was_left_long_before_is_not_given(log: LogUnderTest) -> None:
    if log.set_clock_ms is None:
        pytest.skip("the log has a clock of its own")
    log.journal.append(0, b"old")
    await arrived(log, 0, 1)
    log.set_clock_ms(START_MS + HOUR_MS)
    log.journal.append(0, b"new")
    await arrived(log, 0, 2)
    assert await notes_in(log, 0, START_MS + HOUR_MS) == [b"new"]


async def test_a_reader_may_stop_before_the_end(log: LogUnderTest) -> None:
    for note in (b"first", b"second"):
        log.journal.append(0, note)
    await arrived(log, 0, 2)
    notes = log.journal.notes(0, 0)
    assert await anext(notes) == b"first"
    await notes.aclose()
    assert await notes_in(log, 0) == [b"first", b"second"]
