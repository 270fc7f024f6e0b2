"""Records are read as they were appended."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from siddes_telemetry.backends.ports.errors import RecordsGone
from siddes_telemetry.schemas.record import Headers, LogRecord
from tests.contract.log.backends import START_MS, LogUnderTest
from tests.contract.log.membership import everything_in, fetched, owning, records_in

DAY_MS = 24 * 3600 * 1000
HEADERS: Headers = (("schema", b"1.1"), ("rows", b"2"), ("batches", bytes(range(36))), ("empty", b""))


async def append(log: LogUnderTest, number: int, *, partition: int = 0, size: int = 0) -> None:
    await log.appender.append(partition, b"record %d" % number + bytes(size), HEADERS)


async def test_an_appended_record_is_read_back_with_its_bytes_and_headers(log: LogUnderTest) -> None:
    value = bytes(range(256)) * 4
    await log.appender.append(0, value, HEADERS)
    async with owning(log.make_group_consumer()) as partition:
        [record] = await everything_in(partition)
        await partition.seek(record.offset)
        assert await fetched(partition, 1) == [record]
    assert (record.value, record.headers) == (value, HEADERS)
    assert record.appended_at_ms > 0


async def test_a_record_without_headers_has_none(log: LogUnderTest) -> None:
    await log.appender.append(0, b"plain", ())
    async with owning(log.make_group_consumer()) as partition:
        assert [record.headers for record in await everything_in(partition)] == [()]


async def test_offsets_increase_in_the_order_of_appends(log: LogUnderTest) -> None:
    for number in range(20):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        records = await everything_in(partition)
    assert [record.value for record in records] == [b"record %d" % number for number in range(20)]
    assert all(a.offset < b.offset for a, b in pairwise(records))


async def test_concurrent_appends_are_each_there_once(log: LogUnderTest) -> None:
    await asyncio.gather(*(append(log, number) for number in range(100)))
    async with owning(log.make_group_consumer()) as partition:
        records = await everything_in(partition)
    assert sorted(record.value for record in records) == sorted(b"record %d" % number for number in range(100))
    assert len({record.offset for record in records}) == 100


async def test_a_cancelled_append_only_stops_the_wait(log: LogUnderTest) -> None:
    cancelled = asyncio.create_task(append(log, 1))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await append(log, 2)
    async with owning(log.make_group_consumer()) as partition:
        values = [record.value for record in await everything_in(partition)]
    assert values in ([b"record 1", b"record 2"], [b"record 2"])


async def test_partitions_are_apart(log: LogUnderTest) -> None:
    for number in range(log.partitions):
        await append(log, number, partition=number)
    for number in range(log.partitions):
        async with owning(log.make_group_consumer(), number) as partition:
            assert [record.value for record in await everything_in(partition)] == [b"record %d" % number]


async def test_append_times_are_the_logs_clock_wherever_it_is_set(log: LogUnderTest) -> None:
    if log.set_clock_ms is None:
        pytest.skip("this log's clock cannot be set")
    times = [START_MS + step_ms for step_ms in (42, 5, -3_600_000, 40 * DAY_MS, 7, -1)]
    for number, now_ms in enumerate(times):
        log.set_clock_ms(now_ms)
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        assert [record.appended_at_ms for record in await everything_in(partition)] == times


async def test_an_empty_log_begins_where_it_ends(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        assert first == following
        assert first in (0, 1)
        assert await records_in(partition, first, first) == []


async def test_bounds_follow_appends(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        first, _ = await partition.bounds()
        for number in range(3):
            await append(log, number)
        assert await partition.bounds() == (first, first + 3)


async def test_read_gives_exactly_the_range(log: LogUnderTest) -> None:
    for number in range(6):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        for start in range(first, following + 1):
            for end in range(start, following + 1):
                assert [record.offset for record in await records_in(partition, start, end)] == list(range(start, end))


async def test_read_comes_in_bounded_pieces(log: LogUnderTest) -> None:
    for number in range(24):
        await append(log, number, size=500_000)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        pieces = [piece async for piece in partition.read(first, following)]
    assert len(pieces) > 1
    assert [record.offset for piece in pieces for record in piece] == list(range(first, following))


async def test_read_leaves_the_place_of_fetch_alone(log: LogUnderTest) -> None:
    for number in range(4):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        await partition.seek(first)
        got = [*await fetched(partition, 1)]
        await records_in(partition, first, following)
        got += await fetched(partition, 4 - len(got)) if len(got) < 4 else []
    assert [record.offset for record in got] == list(range(first, following))


async def test_fetch_gives_everything_from_the_sought_place_in_order(log: LogUnderTest) -> None:
    for number in range(30):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        await partition.seek(first + 3)
        assert [record.offset for record in await fetched(partition, 27)] == list(range(first + 3, following))


async def test_fetch_can_go_back(log: LogUnderTest) -> None:
    for number in range(3):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, _ = await partition.bounds()
        for _ in range(2):
            await partition.seek(first)
            assert [record.offset for record in await fetched(partition, 3)] == [first, first + 1, first + 2]


async def test_fetch_waits_for_the_next_record(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        first, _ = await partition.bounds()
        await partition.seek(first)
        for number in range(3):
            waiting = asyncio.create_task(fetched(partition, 1))
            done, _ = await asyncio.wait([waiting], timeout=0.02)
            assert not done
            await append(log, number)
            assert [record.value for record in await waiting] == [b"record %d" % number]


async def test_no_append_is_slept_through(log: LogUnderTest) -> None:
    rng = random.Random(1)
    async with owning(log.make_group_consumer()) as partition:
        first, _ = await partition.bounds()
        await partition.seek(first)
        reading = asyncio.create_task(fetched(partition, 100))
        for number in range(100):  # some while the fetch waits, some while it is about to, some while it reads
            await append(log, number)
            for _ in range(rng.randrange(8)):
                await asyncio.sleep(0)
        assert [record.value for record in await reading] == [b"record %d" % number for number in range(100)]


async def test_a_cancelled_fetch_loses_nothing(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        first, _ = await partition.bounds()
        await partition.seek(first)
        waiting = asyncio.create_task(partition.fetch())
        await asyncio.wait([waiting], timeout=0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        await append(log, 1)
        assert [record.value for record in await fetched(partition, 1)] == [b"record 1"]


async def test_the_high_watermark_is_beyond_what_was_fetched(log: LogUnderTest) -> None:
    for number in range(3):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        await partition.seek(first)
        await fetched(partition, 3)
        assert await partition.high_watermark() == following


async def test_offset_at_is_the_first_record_not_before_a_time(log: LogUnderTest) -> None:
    for number, step_ms in enumerate([0, 10, 10, 10, 25, 25, 40]):
        if log.set_clock_ms is not None:
            log.set_clock_ms(START_MS + step_ms)
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        records = await everything_in(partition)
        for record in records:
            for asked_ms in (record.appended_at_ms - 1, record.appended_at_ms, record.appended_at_ms + 1):
                assert await partition.offset_at(asked_ms) == _first_not_before(records, asked_ms)
        assert await partition.offset_at(0) == records[0].offset


async def test_offset_at_answers_where_times_step_back_too(log: LogUnderTest) -> None:
    for number, step_ms in enumerate([0, 40 * DAY_MS, 10, -DAY_MS, 20]):
        if log.set_clock_ms is not None:
            log.set_clock_ms(START_MS + step_ms)
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        offsets = [record.offset for record in await everything_in(partition)]
        for asked_ms in (0, START_MS - DAY_MS, START_MS, START_MS + 15, START_MS + 50 * DAY_MS):
            assert await partition.offset_at(asked_ms) in (*offsets, None)


async def test_offset_at_of_an_empty_log_is_none(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        assert await partition.offset_at(0) is None


async def test_records_gone_names_where_the_log_begins(log: LogUnderTest) -> None:
    if log.trim is None:
        pytest.skip("this log cannot be trimmed by a test")
    for number in range(6):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        first, following = await partition.bounds()
        await partition.commit_offset(first + 4, "")
        await log.trim(0, first + 4)
        assert await partition.bounds() == (first + 4, following)
        assert [record.offset for record in await everything_in(partition)] == [first + 4, first + 5]
        with pytest.raises(RecordsGone) as reading:
            await records_in(partition, first + 3, following)
        await partition.seek(first)
        with pytest.raises(RecordsGone) as fetching:
            await fetched(partition, 1)
    assert (reading.value.first, fetching.value.first) == (first + 4, first + 4)


async def test_an_offset_is_not_given_again_when_all_records_are_gone(log: LogUnderTest) -> None:
    if log.trim is None:
        pytest.skip("this log cannot be trimmed by a test")
    for number in range(4):
        await append(log, number)
    async with owning(log.make_group_consumer()) as partition:
        _, following = await partition.bounds()
        await partition.commit_offset(following, "")
        await log.trim(0, following)
        assert await partition.bounds() == (following, following)
        assert await partition.offset_at(0) is None
        await append(log, 5)
        await partition.seek(following)
        assert [record.offset for record in await fetched(partition, 1)] == [following]


async def test_ping_answers(log: LogUnderTest) -> None:
    await log.appender.ping()


def _first_not_before(records: list[LogRecord], asked_ms: int) -> int | None:
    return next((record.offset for record in records if record.appended_at_ms >= asked_ms), None)
