"""`verify` judges the given hours, and nothing that may repeat a batch which the log has dropped."""

from __future__ import annotations

import pytest

from siddes_telemetry.consumer.retry_window.start_search import MARGIN_OFFSETS
from tests.fakes.consumer_process import (
    DAY_MS,
    MINUTE_MS,
    NOON_MS,
    World,
    encode,
    headers_in,
    key,
    one,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    HOUR_MS,
    drain,
    lose_the_row_of,
    stored_world,
    verified_partition,
)


@in_virtual_time
async def test_only_the_given_hours_are_judged_and_retries_of_earlier_batches_are_known() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS))
    world.log.now_ms += 2 * HOUR_MS
    await world.append(one("viewer-b", world.log.now_ms, batch=key(1)))
    world.log.now_ms += 5 * MINUTE_MS
    await world.append(one("viewer-b", world.log.now_ms, batch=key(1)), one("viewer-c", world.log.now_ms))
    await drain(world)
    del world.store.rows[0]
    report = await verified_partition(world, hours=2 / 60)
    assert (report.ok, report.judged_from, report.records, report.rows, report.repeated_batches) == (True, 2, 1, 1, 1)
    assert report.earlier_rows == 1
    assert (await verified_partition(world)).missing == 1


@in_virtual_time
async def test_the_given_hours_are_judged_after_a_leap_of_the_clock_too() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    await world.let_pass(MARGIN_OFFSETS)
    await world.append(one("viewer-b", world.log.now_ms, batch=key(2)))
    world.log.now_ms += DAY_MS  # one minute, by the sum of steps
    await world.append(one("viewer-b", world.log.now_ms, batch=key(2)), one("viewer-a", NOON_MS, batch=key(1)))
    await drain(world)
    report = await verified_partition(world, hours=1)
    assert (report.ok, report.judged_from, report.rows, report.repeated_batches) == (True, MARGIN_OFFSETS + 2, 1, 1)


@in_virtual_time
async def test_format_1_retries_are_known_by_the_maximum_append_time() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    world.log.now_ms -= HOUR_MS
    await world.let_pass(64)
    world.log.now_ms += MINUTE_MS
    value, headers = encode([one("viewer-a", NOON_MS, batch=key(1)), one("viewer-b", NOON_MS)])
    await world.log.append(0, value, headers_in(1, headers))
    await drain(world)
    report = await verified_partition(world, hours=0)
    assert (report.ok, report.judged_from, report.rows, report.repeated_batches) == (True, 65, 1, 1)


@in_virtual_time
async def test_the_first_ten_minutes_of_a_trimmed_log_are_not_judged() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    for _ in range(3):
        await world.let_pass(4)
        world.log.now_ms += MINUTE_MS
        await world.append(one("viewer-a", world.log.now_ms, batch=key(1)), one("viewer-b", world.log.now_ms))
    world.log.now_ms += 1
    await world.append(one("viewer-c", world.log.now_ms))
    await drain(world)
    world.log.trim(0, 5)
    report = await verified_partition(world)
    assert (report.ok, report.log_begins, report.judged_from, report.records) == (True, 5, 16, 1)
    world.log.trim(0, 6)
    report = await verified_partition(world)
    assert (report.ok, report.judged_from, report.judged_to, report.records) == (True, 17, 17, 0)


@in_virtual_time
async def test_a_leap_of_the_clock_counts_as_one_minute_of_those_ten() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    await world.append(one("viewer-b", NOON_MS))
    world.log.now_ms += DAY_MS
    await world.append(one("viewer-a", world.log.now_ms, batch=key(1)))  # a retry of what is gone
    await drain(world)
    world.log.trim(0, 1)
    report = await verified_partition(world)
    assert (report.ok, report.records) == (True, 0)


@in_virtual_time
async def test_format_1_records_are_judged_once_ten_minutes_passed_by_their_own_clock() -> None:
    """The log's beginning is from the future: time goes on by the sum of steps, and does not by the maximum."""
    world = await World.make()
    world.log.piece = 1
    world.log.now_ms += DAY_MS
    await world.append(one("viewer-a", world.log.now_ms, batch=key(1)))
    await world.append(one("viewer-b", world.log.now_ms))
    world.log.now_ms -= DAY_MS
    await world.let_pass(12)
    value, headers = encode([one("viewer-a", world.log.now_ms, batch=key(1))])
    await world.log.append(0, value, headers_in(1, headers))  # a retry of what is gone, and dropped
    await world.append(one("viewer-c", world.log.now_ms))
    await drain(world)
    world.log.trim(0, 1)
    report = await verified_partition(world)
    assert (report.ok, report.records, report.judged_from) == (True, 2, 15)
    lose_the_row_of(world, "viewer-c")
    report = await verified_partition(world)
    assert (report.ok, report.missing) == (False, 1)


@in_virtual_time
async def test_a_log_that_is_trimmed_meanwhile_is_read_from_its_new_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await stored_world()

    async def meanwhile() -> None:
        world.log.trim(0, 2)

    monkeypatch.setattr(world.store, "sync_replicas", meanwhile)  # between the first look at the log and the reading
    report = await verified_partition(world)
    assert (report.ok, report.log_begins) == (True, 2)
