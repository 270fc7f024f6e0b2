"""The embedded log's last records in memory."""

from __future__ import annotations

import asyncio

from siddes_telemetry.backends.sqlite.tail import KEPT_BYTES, RECORD_BYTES, Tail
from siddes_telemetry.schemas.record import LogRecord


def record(offset: int, size: int = 1) -> LogRecord:
    return LogRecord(offset, 1_790_000_000_000, b"x" * size, ())


async def tail_of(*records: LogRecord) -> Tail:
    tail = Tail(1)
    for each in records:
        tail.append(each)
    return tail


def offsets(tail: Tail, first: int) -> list[int]:
    return [each.offset for each in tail.take(first)]


async def test_records_are_taken_once() -> None:
    tail = await tail_of(record(1), record(2), record(3))
    assert offsets(tail, 2) == [2, 3]
    assert offsets(tail, 2) == []
    tail.append(record(4))
    assert offsets(tail, 4) == [4]


async def test_nothing_is_taken_if_the_first_record_is_missing() -> None:
    tail = Tail(5)
    tail.append(record(5))
    assert offsets(tail, 4) == []
    assert offsets(tail, 5) == [5]


async def test_a_gap_sends_the_reader_to_the_file() -> None:
    tail = await tail_of(record(1), record(2))
    tail.append(record(4))  # the commit of 3 seemed to fail
    assert offsets(tail, 1) == []
    assert offsets(tail, 3) == []
    assert tail.next_offset == 5


async def test_a_reader_that_is_far_behind_reads_the_file() -> None:
    size = KEPT_BYTES // 4 - RECORD_BYTES
    tail = await tail_of(*(record(offset, size) for offset in range(1, 7)))
    assert offsets(tail, 1) == []
    assert offsets(tail, 3) == [3, 4, 5, 6]


async def test_many_small_records_are_bounded_too() -> None:
    many = KEPT_BYTES // RECORD_BYTES + 10
    tail = await tail_of(*(record(offset, 0) for offset in range(1, many + 1)))
    assert offsets(tail, 10) == []
    assert len(tail.take(11)) == many - 10


async def test_an_append_wakes_a_waiting_reader() -> None:
    tail = Tail(1)
    waiting = asyncio.ensure_future(tail.wait_beyond(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    tail.append(record(1))
    await waiting
