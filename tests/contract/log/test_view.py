"""LogView: read-only access to a log by a process that owns no partition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from siddes_telemetry.backends.ports.log import Committed, PartitionView
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.schemas.record import LogRecord
from tests.contract.log.backends import LogUnderTest
from tests.contract.log.membership import owning


async def read(view: PartitionView, start: int, end: int) -> Sequence[LogRecord]:
    return [record async for piece in view.read(start, end) for record in piece]


async def test_every_partition_is_there_and_begins_at_the_origin(log: LogUnderTest) -> None:
    async with log.view() as view:
        partitions = await view.partitions()
        assert [partition.number for partition in partitions] == list(range(log.partitions))
        for partition in partitions:
            assert await partition.bounds() == (view.origin, view.origin)
            assert await partition.committed() is None


async def test_records_are_read_beside_their_owner(log: LogUnderTest) -> None:
    for value in (b"a", b"b", b"c"):
        await log.appender.append(0, value, ())
    async with owning(log.make_group_consumer()) as owned, log.view() as view:
        partition = (await view.partitions())[0]
        first, end = await partition.bounds()
        assert (first, end) == await owned.bounds() == (view.origin, view.origin + 3)
        assert [record.value for record in await read(partition, first, end)] == [b"a", b"b", b"c"]
        assert [record.value for record in await read(partition, first + 1, end - 1)] == [b"b"]
        assert await partition.offset_at(0) == first
        assert await partition.offset_at(4_000_000_000_000) is None


async def test_what_the_group_has_committed_is_seen_with_its_metadata(log: LogUnderTest) -> None:
    await log.appender.append(0, b"a", ())
    async with owning(log.make_group_consumer()) as owned, log.view() as view:
        partition = (await view.partitions())[0]
        first, end = await partition.bounds()
        await owned.commit_offset(first, encode_intent(end))
        assert await partition.committed() == Committed(first, encode_intent(end))
        await owned.commit_offset(end, "")
        assert await partition.committed() == Committed(end, "")


async def test_looking_takes_nothing_from_the_owner(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as owned:
        first, _ = await owned.bounds()
        async with log.view() as view:
            await (await view.partitions())[0].committed()
        await owned.commit_offset(first, "")  # still under the same generation


async def test_a_trimmed_log_begins_later(log: LogUnderTest) -> None:
    if log.trim is None:
        pytest.skip("this log is not trimmed by hand")
    for value in (b"a", b"b"):
        await log.appender.append(0, value, ())
    async with owning(log.make_group_consumer()) as owned:
        _, end = await owned.bounds()
        await owned.commit_offset(end, "")
    await log.trim(0, end)
    async with log.view() as view:
        first, _ = await (await view.partitions())[0].bounds()
        assert first == end > view.origin
