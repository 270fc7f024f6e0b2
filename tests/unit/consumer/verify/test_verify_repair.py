"""`verify --repair` inserts missing rows once, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.store import RowSelection
from siddes_telemetry.consumer.verify.repair import Repairer, TooManyMissingError
from tests.fakes.memory_store import StoredRow
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    alter_a_count,
    double_a_row,
    stored_world,
    verified_partition,
)


@in_virtual_time
async def test_repeated_repairs_insert_missing_rows_once() -> None:
    world = await stored_world()
    before = sorted(world.store.rows, key=str)
    del world.store.rows[1:3]
    first = await verified_partition(world, repair=True)
    assert (first.missing, first.repaired) == (2, 2)
    second = await verified_partition(world, repair=True)
    assert (second.missing, second.repaired, second.ok) == (0, 0, True)
    assert sorted(world.store.rows, key=str) == before
    assert all(":repair:" in token for token, _ in world.store.attempts[-1:])


@in_virtual_time
async def test_rows_that_are_lost_again_after_a_repair_are_repaired_again() -> None:
    world = await stored_world()
    lost: StoredRow = world.store.rows[1]
    for _ in range(3):
        world.store.rows.remove(lost)
        assert (await verified_partition(world, repair=True)).repaired == 1
        assert (await verified_partition(world)).ok


@in_virtual_time
async def test_a_repair_leaves_surplus_rows_alone() -> None:
    world = await stored_world()
    double_a_row(world)
    report = await verified_partition(world, repair=True)
    assert (report.surplus, report.repaired) == (1, 0)
    assert (await verified_partition(world)).surplus == 1


@in_virtual_time
async def test_concurrent_repairs_insert_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await stored_world()
    before = sorted(world.store.rows, key=str)
    del world.store.rows[0]
    lines = world.store.lines

    async def before_another_repairs(selection: RowSelection) -> Sequence[bytes]:
        found = await lines(selection)
        monkeypatch.setattr(world.store, "lines", lines)
        assert (await verified_partition(world, repair=True)).repaired == 1
        return found

    monkeypatch.setattr(world.store, "lines", before_another_repairs)
    await verified_partition(world, repair=True)
    assert sorted(world.store.rows, key=str) == before


@in_virtual_time
async def test_a_partition_in_trouble_is_not_repaired() -> None:
    world = await stored_world()
    world.log.partition(0).records.clear()
    world.log.partition(0).next = 0
    await world.append_viewers("viewer-x", "viewer-y")  # of a topic made anew
    stored = len(world.store.rows)
    report = await verified_partition(world, repair=True)
    assert (report.trouble, report.repaired, len(world.store.rows)) == ("offset_beyond_log", 0, stored)


@in_virtual_time
async def test_a_repair_leaves_a_changed_row_alone() -> None:
    world = await stored_world()
    alter_a_count(world)
    report = await verified_partition(world, repair=True)
    assert (report.missing, report.surplus, report.repaired) == (1, 1, 0)
    assert (await verified_partition(world)).missing == 1


@in_virtual_time
async def test_a_repair_inserts_no_more_rows_than_the_operator_agreed_to() -> None:
    world = await stored_world()
    expected = Counter(row.line for row in world.store.rows)
    selection = RowSelection(world.store.rows[0].log_id, 0, 0, 4, 0)
    del world.store.rows[:3]
    with pytest.raises(TooManyMissingError):
        await Repairer(world.store, world.store, limit=2)(selection, expected)
    assert len(world.store.rows) == 2


@in_virtual_time
async def test_a_lagging_replica_gets_no_second_token_where_tokens_and_rows_are_lost_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await stored_world()
    world.store.lone = False
    lost = world.store.rows.pop(0)
    lines = world.store.lines

    async def stale(selection: RowSelection) -> Sequence[bytes]:
        return [line for line in await lines(selection) if line != lost.line]

    monkeypatch.setattr(world.store, "lines", stale)
    with pytest.raises(StoreUnavailable):
        await verified_partition(world, repair=True)
    assert world.store.rows.count(lost) == 1
