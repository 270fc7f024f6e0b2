"""A client's retry counts once, also after the partition has moved to another owner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.retry_window import start_search
from siddes_telemetry.consumer.retry_window.start_search import MARGIN_OFFSETS
from tests.fakes.consumer_process import CLOCK, DAY_MS, MINUTE_MS, NOON_MS, World, encode, headers_in, key, one
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.virtual_time import in_virtual_time, until

HOUR_MS = 60 * MINUTE_MS
TEN_MINUTES_MS = [MINUTE_MS] * 10


@pytest.fixture
def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back in small steps, so that each test sees how far was needed."""
    monkeypatch.setattr(start_search, "MARGIN_OFFSETS", 0)
    monkeypatch.setattr(start_search, "FIRST_STEP_OFFSETS", 1)


async def send(world: World, viewer: str, batch: int) -> None:
    await world.append(one(viewer, world.log.now_ms, batch=key(batch)))


@in_virtual_time
async def test_a_retried_batch_counts_once() -> None:
    world = await World.make()
    process = world.start()
    await send(world, "viewer-a", 1)
    await world.let_pass(10)
    await send(world, "viewer-a", 1)
    await until(world.drained)
    assert world.viewers() == ["viewer-a"]
    assert process.metric("repeated_batches_total") == process.metric("repeated_rows_total") == 1

    await world.let_pass(10)
    world.log.now_ms += 1
    await send(world, "viewer-a", 1)
    await until(world.drained)
    assert world.viewers() == ["viewer-a", "viewer-a"], "ten minutes are over"
    await process.stop()


@in_virtual_time
async def test_a_retry_counts_once_across_a_crash() -> None:
    world = await World.make()
    doomed = world.start()
    await world.let_pass(20)
    await send(world, "viewer-a", 1)
    await until(world.drained)
    await doomed.kill()
    await world.let_pass(9)
    await send(world, "viewer-a", 1)
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["viewer-a"]
    assert heir.group_consumer.reads == [(0, 21)]


@in_virtual_time
async def test_with_a_clock_that_goes_on_little_more_is_read_back_than_ten_minutes() -> None:
    world = await World.make()
    doomed = world.start()
    await world.let_pass(200)
    await until(world.drained)
    await doomed.kill()
    await world.let_pass(1)
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert heir.group_consumer.reads == [(200 - 10 - MARGIN_OFFSETS, 200)]


@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("journal", [None, MemoryJournal()])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("steps_ms", "counts"),
    [
        ([3 * DAY_MS, -3 * DAY_MS, MINUTE_MS], 1),
        ([3 * DAY_MS, -3 * DAY_MS, *TEN_MINUTES_MS], 2),
        ([3 * DAY_MS, MINUTE_MS, -3 * DAY_MS, MINUTE_MS], 1),
        ([-3 * DAY_MS, 3 * DAY_MS, MINUTE_MS], 1),
        ([-HOUR_MS, *TEN_MINUTES_MS], 1),
        ([-HOUR_MS, *TEN_MINUTES_MS, 1], 2),
        ([30 * DAY_MS], 1),
        ([*TEN_MINUTES_MS, 1], 2),
    ],
)
@in_virtual_time
async def test_another_owner_measures_by_the_sum_of_steps_too(
    steps_ms: Sequence[int], counts: int, kept: bool, journal: MemoryJournal | None
) -> None:
    world = await World.make(journal=journal and MemoryJournal())
    process = world.start()
    await send(world, "viewer-a", 1)
    for step_ms in steps_ms:
        world.log.now_ms += step_ms
        await world.append(one(CLOCK, world.log.now_ms))
    await until(world.drained)
    if kept:
        world.log.revoke(0)
    else:
        await process.kill()
        process = world.start()
    await send(world, "viewer-a", 1)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["viewer-a"] * counts


@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("leap_ms", [11 * MINUTE_MS, -HOUR_MS])
@in_virtual_time
async def test_a_takeover_judges_records_of_format_1_as_their_time_did(leap_ms: int) -> None:
    """Records of format 2 follow them in the log, whose ten minutes begin later, or earlier."""
    world = await World.make()
    doomed = world.start()
    await send(world, "viewer-a", 1)
    world.log.now_ms += leap_ms
    await world.append(one(CLOCK, world.log.now_ms))
    await world.let_pass(0 if leap_ms > 0 else 40)
    await until(world.drained)
    await doomed.kill()
    await send(world, "viewer-b", 2)  # a block of its own, of format 2
    heir = world.process(policy=FlushPolicy(max_rows=1, max_age_s=0.0)).begin()
    await until(world.drained)
    value, headers = encode([one("viewer-a", world.log.now_ms, batch=key(1))])
    await world.log.append(0, value, headers_in(1, headers))
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["viewer-a"] * (2 if leap_ms > 0 else 1) + ["viewer-b"]


@in_virtual_time
async def test_a_retry_within_a_replayed_block_is_decided_as_the_first_try_did() -> None:
    world = await World.make()
    doomed = world.start()
    await send(world, "viewer-a", 1)
    await until(world.drained)
    world.store.fail_next(StoreUnavailable(), applied=False)
    await world.append(one("viewer-a", NOON_MS, batch=key(1)), one("viewer-b", NOON_MS, batch=key(2)))
    await until(lambda: len(world.store.attempts) == 2)
    await doomed.kill()
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert world.store.attempts[1] == world.store.attempts[2]
    assert world.viewers() == ["viewer-a", "viewer-b"]


@in_virtual_time
async def test_the_window_outlives_a_rebalance_without_reading_back() -> None:
    world = await World.make()
    process = world.start()
    await send(world, "viewer-a", 1)
    await until(world.drained)
    world.log.revoke(0)
    await send(world, "viewer-a", 1)
    await until(world.drained)
    await process.stop()

    assert process.metric("recoveries_total", found="resume") == 2
    assert world.viewers() == ["viewer-a"]
    assert process.group_consumer.reads == []


@in_virtual_time
async def test_windows_of_partitions_that_moved_on_are_let_go_after_ten_minutes() -> None:
    world = await World.make(partitions=4)
    first = world.start()
    for partition in range(4):
        await world.append(one("viewer-a", NOON_MS, batch=key(partition + 1)), partition=partition)
    await until(world.drained)
    second = world.start()
    await until(lambda: len(second.member.owned) == 2)
    kept = next(iter(first.member.owned))
    assert len(first.ctx.window_cache) == 4
    await asyncio.sleep(601)
    await world.append(one("viewer-a", NOON_MS, batch=key(9)), partition=kept)
    await until(world.drained)
    await first.stop()
    await second.stop()

    assert len(first.ctx.window_cache) == 1


@in_virtual_time
async def test_what_others_stored_meanwhile_is_all_that_is_read_back() -> None:
    world = await World.make()
    first = world.start()
    await send(world, "viewer-a", 1)
    await until(world.drained)
    second = world.start()
    await until(lambda: len(world.log._members) == 2)
    world.log.revoke(0)
    await until(lambda: second.member.owned)
    await send(world, "viewer-b", 2)
    await until(world.drained)
    world.log.revoke(0)
    await until(lambda: first.member.owned)
    await world.append(one("viewer-a", NOON_MS, batch=key(1)), one("viewer-b", NOON_MS, batch=key(2)))
    await until(world.drained)
    await first.stop()
    await second.stop()

    assert world.viewers() == ["viewer-a", "viewer-b"]
    assert first.group_consumer.reads == [(1, 2)]


@in_virtual_time
async def test_a_window_that_is_ahead_after_a_rewind_is_built_anew() -> None:
    world = await World.make()
    process = world.start()
    await send(world, "viewer-a", 1)
    await until(world.drained)
    world.store.rows.clear()
    world.store.forget_tokens()
    world.log.set_committed(0, Committed(0, ""))  # an operator restored an older table, and rewound to it
    world.log.revoke(0)
    await until(lambda: world.viewers() == ["viewer-a"])
    await until(world.drained)
    await process.stop()


@in_virtual_time
async def test_an_intent_over_no_record_leaves_the_window_as_it_is() -> None:
    world = await World.make()
    await send(world, "viewer-a", 1)
    world.log.skip(0, 2)
    world.log.set_committed(0, Committed(1, encode_intent(3)))
    await send(world, "viewer-a", 1)
    process = world.start()
    await until(world.drained)
    await process.stop()

    assert world.viewers() == [], "the second is a retry of the first"
    assert process.metric("repeated_batches_total") == 1


@in_virtual_time
async def test_keys_of_dead_letters_did_not_occur_also_where_they_are_read_back() -> None:
    world = await World.make()
    doomed = world.start()
    await world.append_bad(one("viewer-a", NOON_MS, batch=key(1)))
    await until(world.drained)
    await doomed.kill()
    await send(world, "viewer-a", 1)
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert heir.group_consumer.reads == [(0, 1)]
    assert world.viewers() == ["viewer-a"]
