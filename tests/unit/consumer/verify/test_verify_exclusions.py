"""`verify` does not judge rows that may be expired or purged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from siddes_telemetry.backends.ports.store import RowSelection, RowSums
from siddes_telemetry.consumer.verify.report import PartitionReport
from tests.fakes.consumer_process import (
    DAY_MS,
    NOON_MS,
    World,
    one,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    HOUR_MS,
    RETENTION_DAYS,
    drain,
    stored_world,
    verified_partition,
)

AHEAD_MS = NOON_MS + HOUR_MS  # what lies ahead of noon


@in_virtual_time
async def test_rows_that_may_have_expired_or_were_purged_are_left_out_and_counted() -> None:
    world = await World.make()
    world.log.now_ms = NOON_MS
    await world.append(one("viewer-a", NOON_MS), one("viewer-b", NOON_MS + 1))
    await drain(world)
    await world.store.purge(NOON_MS + 1, NOON_MS + DAY_MS)
    report = await verified_partition(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 1, 1)

    world.log.now_ms = NOON_MS + RETENTION_DAYS * DAY_MS
    world.store.rows.clear()
    report = await verified_partition(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 0, 2)


@in_virtual_time
async def test_a_purge_during_verify_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await stored_world()
    sums = world.store.sums

    async def after_a_purge(selection: RowSelection) -> RowSums:
        await world.store.purge(NOON_MS + 1, NOON_MS + DAY_MS)
        return await sums(selection)

    monkeypatch.setattr(world.store, "sums", after_a_purge)
    assert (await verified_partition(world)).ok


async def world_that_was_ahead() -> World:
    """Two rows of noon, around two that were counted while the clock was 40 days ahead, at offset 1. All is stored."""
    world = await World.make()
    for viewer, at_ms in (("viewer-a", NOON_MS), ("viewer-b", NOON_MS + 40 * DAY_MS), ("viewer-c", NOON_MS)):
        world.log.now_ms = at_ms
        await world.append(*(one(viewer, at_ms + line) for line in range(2 if viewer == "viewer-b" else 1)))
    await drain(world)
    return world


@in_virtual_time
async def test_rows_purged_ahead_are_left_out_and_later_rows_of_such_times_are_judged() -> None:
    world = await world_that_was_ahead()
    assert (await verified_partition(world)).rows == 4
    await world.store.purge(0, AHEAD_MS)
    report = await verified_partition(world, repair=True)
    assert (report.ok, report.rows, report.left_out_rows, report.repaired) == (True, 2, 2, 0)

    world.log.now_ms = NOON_MS + 2 * HOUR_MS
    await world.append(one("viewer-d", world.log.now_ms))
    await drain(world)
    assert ((await verified_partition(world)).ok, (await verified_partition(world)).rows) == (True, 3)
    world.store.rows.pop()
    assert (await verified_partition(world)).missing == 1


@in_virtual_time
async def test_rows_purged_ahead_that_are_still_stored_are_no_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was written down before it goes, and may be there for a while or for good. RowSums leave it out as well."""
    world = await world_that_was_ahead()
    rows = list(world.store.rows)
    await world.store.purge(0, AHEAD_MS)
    world.store.rows = rows

    async def unasked(_: RowSelection) -> Sequence[bytes]:
        raise AssertionError("sums that are alike need no look at rows")

    monkeypatch.setattr(world.store, "lines", unasked)
    report = await verified_partition(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 2, 2)


async def purge_old(world: World) -> None:
    await world.store.purge(NOON_MS + 1, NOON_MS + 400 * DAY_MS)


async def purge_ahead(world: World) -> None:
    await world.store.purge(0, AHEAD_MS)


async def verified_during_a_purge(
    question: str, time: int, purge: Callable[[World], Awaitable[None]]
) -> PartitionReport | None:
    """With a purge just before a question is asked of the store for the so-and-so-many-th time; None if it is not."""
    world = await world_that_was_ahead()
    world.store.rows.append(replace(world.store.rows[0], viewer_id="surplus"))  # so that rows are looked at
    answer, asked = getattr(world.store, question), 0

    async def after_a_purge(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == time:
            await purge(world)
        return await answer(*arguments)

    setattr(world.store, question, after_a_purge)
    report = await verified_partition(world, repair=True)
    return report if asked >= time else None


@pytest.mark.parametrize("purge", [purge_old, purge_ahead])
@pytest.mark.parametrize("question", ["sums", "lines", "purge_history", "sync_replicas"])
@in_virtual_time
async def test_a_purge_before_any_query_is_no_difference_and_is_not_undone(
    question: str, purge: Callable[[World], Awaitable[None]]
) -> None:
    time = 1
    while (report := await verified_during_a_purge(question, time, purge)) is not None:
        assert (report.missing, report.repaired) == (0, 0)
        time += 1
    assert time > 1


@in_virtual_time
async def test_a_repair_does_not_insert_rows_that_are_purged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await world_that_was_ahead()
    ahead = [row for row in world.store.rows if row.created_at_ms >= AHEAD_MS]
    lost = next(row for row in world.store.rows if row not in ahead)
    for row in (lost, ahead[0]):
        world.store.rows.remove(row)
    sync_replicas, asked = world.store.sync_replicas, 0

    async def after_a_purge() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:  # the repair's own
            await purge_ahead(world)
        await sync_replicas()

    monkeypatch.setattr(world.store, "sync_replicas", after_a_purge)
    report = await verified_partition(world, repair=True)
    assert (report.missing, report.repaired) == (2, 1)
    assert lost in world.store.rows
    assert not set(ahead) & set(world.store.rows)
