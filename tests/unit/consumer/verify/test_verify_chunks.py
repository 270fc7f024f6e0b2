"""`verify` bounds its memory and its queries by chunks, which do not change the result."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import pytest

from siddes_telemetry.backends.ports.store import RowSelection, RowSums
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.verify.chunk import ChunkPolicy
from siddes_telemetry.consumer.verify.expected import Expected
from siddes_telemetry.consumer.verify.partition import PartitionVerifier
from siddes_telemetry.consumer.verify.report import PartitionReport
from tests.fakes.consumer_process import (
    NOON_MS,
    World,
    one,
)
from tests.fakes.memory_store import MemoryStore
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    drain,
    lose_a_row,
    put_a_row_where_a_retry_was_dropped,
    stored_world,
    verified,
    verified_partition,
)


@pytest.mark.parametrize("chunk_rows", [1, 2, 3])
@in_virtual_time
async def test_the_chunk_size_does_not_change_the_result(chunk_rows: int) -> None:
    policy = ChunkPolicy(rows=chunk_rows)
    world = await stored_world()
    world.log.piece = 1
    whole = await verified_partition(world, chunk_policy=policy)
    assert (whole.records, whole.rows, whole.counts, whole.ok) == (4, 5, 12, True)
    lose_a_row(world)
    put_a_row_where_a_retry_was_dropped(world)
    report = await verified_partition(world, chunk_policy=policy)
    assert (report.missing, report.surplus) == (1, 1)


class CountingStore(MemoryStore):
    """Counts the queries for sums."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = 0

    async def sums(self, selection: RowSelection) -> RowSums:
        self.queries += 1
        return await super().sums(selection)

    async def sums_by_range(self, selection: RowSelection, width: int) -> Mapping[int, RowSums]:
        self.queries += 1
        return await super().sums_by_range(selection, width)


@in_virtual_time
async def test_many_chunks_need_few_queries() -> None:
    """Each query reads every row of a day."""
    policy = ChunkPolicy(rows=20)
    store = CountingStore()
    world = await World.make(store)
    world.log.piece = 3
    for number in range(200):
        world.log.skip(0, number % 3)
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(10)))
    await drain(world)
    assert (await verified_partition(world, chunk_policy=policy)).ok
    assert store.queries == 2

    lose_a_row(world)
    report = await verified_partition(world, chunk_policy=policy)
    assert (report.missing, report.surplus) == (1, 0)


@in_virtual_time
async def test_a_chunk_stays_below_twice_its_size_when_records_grow_a_hundredfold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The width of the ranges assumes that the density stays as it was."""
    largest = 0
    add_expected = PartitionReport.add_expected

    def add_chunk(report: PartitionReport, expected: Expected) -> None:
        nonlocal largest
        largest = max(largest, expected.sums.rows)
        add_expected(report, expected)

    monkeypatch.setattr(PartitionReport, "add_expected", add_chunk)
    world = await World.make()
    world.log.piece = 1
    for number in range(800):
        lines = 1 if number < 600 else 100
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(lines)))
    await drain(world)
    report = await verified_partition(world, chunk_policy=ChunkPolicy(rows=500))
    assert (report.ok, report.rows) == (True, 600 + 200 * 100)
    assert largest <= 2 * 500 + 100


async def peak_bytes(records: int) -> int:
    """Returns the peak memory of verifying this number of records."""
    world = await World.make(policy=FlushPolicy())
    world.log.piece = 20
    for number in range(records):
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(10)))
    await drain(world)
    tracemalloc.start()
    try:
        report = await verified_partition(world, chunk_policy=ChunkPolicy(rows=500, ranges=20))
        assert (report.ok, report.rows) == (True, 10 * records)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_log() -> None:
    small, large = (run_in_virtual_time(peak_bytes(records)) for records in (150, 1500))
    print(f"{small} and {large} bytes at most")
    assert large < 1.3 * small


@in_virtual_time
async def test_memory_holds_the_retry_window_of_one_partition_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them may have the client batches of ten minutes. Without a reference cycle it is freed at once."""
    in_memory: WeakSet[PartitionVerifier] = WeakSet()
    most = 0
    init = PartitionVerifier.__init__

    def counted(verifier: PartitionVerifier, *args: Any) -> None:
        nonlocal most
        in_memory.add(verifier)
        most = max(most, len(in_memory))
        init(verifier, *args)

    monkeypatch.setattr(PartitionVerifier, "__init__", counted)
    report = await verified(await stored_world(partitions=3))
    assert (report.ok, len(report.partitions), most) == (True, 3, 1)
