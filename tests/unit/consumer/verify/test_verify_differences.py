"""`verify` reports every difference between log and store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.ports.store import RowSelection
from siddes_telemetry.consumer.verify.verifier import RecordsUnreadableError
from tests.fakes.consumer_process import (
    NOON_MS,
    REGISTRY,
    World,
    one,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    alter_a_count,
    double_a_row,
    lose_a_row,
    put_a_row_where_a_retry_was_dropped,
    stored_world,
    verified,
    verified_partition,
)


@in_virtual_time
async def test_a_store_with_exactly_the_rows_of_the_log_agrees() -> None:
    world = await stored_world(partitions=2)
    report = await verified(world)
    assert report.ok
    first, second = report.partitions
    assert (first.records, first.rows, first.counts) == (4, 5, 12)
    assert (second.records, second.rows, second.counts) == (3, 5, 12)
    assert (first.repeated_batches, first.dead_letters, first.lag, first.in_doubt) == (1, 1, 0, 0)
    assert (first.judged_from, first.judged_to) == (0, 4)
    assert first.checksum == (await world.store.sums(all_rows_of(world, 0))).checksum


def all_rows_of(world: World, number: int) -> RowSelection:
    return RowSelection(world.store.rows[0].log_id, number, 0, 100, 0)


def swap_the_viewers_of_two_rows(world: World) -> None:
    rows = world.store.rows
    rows[0], rows[2] = replace(rows[0], viewer_id=rows[2].viewer_id), replace(rows[2], viewer_id=rows[0].viewer_id)


@pytest.mark.parametrize(
    ("harm", "missing", "surplus", "places"),
    [
        (lose_a_row, 1, 0, [0]),
        (double_a_row, 0, 1, [0]),
        (alter_a_count, 1, 1, [0]),
        (swap_the_viewers_of_two_rows, 2, 2, [0, 1]),
        (put_a_row_where_a_retry_was_dropped, 0, 1, [2]),
    ],
)
@in_virtual_time
async def test_any_difference_is_reported_with_its_offset(
    harm: Callable[[World], None], missing: int, surplus: int, places: list[int]
) -> None:
    world = await stored_world()
    harm(world)
    report = await verified_partition(world)
    assert not report.ok
    assert (report.missing, report.surplus) == (missing, surplus)
    assert [place.offset for place in report.places] == places


@in_virtual_time
async def test_rows_of_a_partition_that_the_log_does_not_have_are_surplus() -> None:
    world = await stored_world()
    world.store.rows.append(replace(world.store.rows[0], partition=7))
    report = await verified(world)
    assert [(p.partition, p.surplus, p.trouble) for p in report.partitions if not p.ok] == [(7, 1, "no_such_partition")]


@in_virtual_time
async def test_an_unreadable_record_without_a_dead_letter_is_a_difference() -> None:
    world = await stored_world()
    world.log.dead_letters.letters.clear()
    report = await verified_partition(world)
    assert (report.missing_dead_letters, report.ok) == (1, False)


@in_virtual_time
async def test_records_of_a_newer_version_stop_the_verification() -> None:
    world = await stored_world()
    await world.append(one("viewer-d", NOON_MS), revision=REGISTRY.revision + 1)
    assert (await verified_partition(world)).ok
    world.log.set_committed(0, Committed(5, ""))
    with pytest.raises(RecordsUnreadableError, match="newer_schema"):
        await verified(world)


@in_virtual_time
async def test_an_outage_of_the_log_is_raised() -> None:
    world = await stored_world()
    world.log.available = False
    with pytest.raises(LogUnavailable):
        await verified(world)
