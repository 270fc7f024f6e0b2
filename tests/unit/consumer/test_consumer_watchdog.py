"""The watchdog notices a stalled worker, whichever call it waits in, and its partition is taken over anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed, DeadLetter, DeadLetters, OwnedPartition, PartitionView
from siddes_telemetry.backends.ports.store import BlockStore, SetAside
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.partition_state import PartitionState
from siddes_telemetry.consumer.service import GIVEN_AWAY_S, Consumer
from siddes_telemetry.consumer.watchdog import CHECK_EVERY_S, STALLED_AFTER_CHECKS, Watchdog, WorkerProgress
from tests.fakes.consumer_process import LOG_NAME, NOON_MS, Process, World, key, one
from tests.fakes.hanging import Hanging, HangingGroupConsumer
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time, until

NOTICED_S = (STALLED_AFTER_CHECKS + 2) * CHECK_EVERY_S
ELSEWHERE = {
    "fetch",  # waits while the log has no more: the group consumer itself notices when that stalls
    "entries",  # only the operator calls it
    "ping_insert",  # only readiness calls it, with a deadline
}


def calls_of(*ports: type) -> list[tuple[type, str]]:
    """Every call of these protocols, so that a new one is not forgotten."""
    return [
        (port, name)
        for port in ports
        for name, member in vars(port).items()
        if not name.startswith("_") and not isinstance(member, property) and name not in ELSEWHERE
    ]


def hanging_process(world: World, port: type, call: str, released: asyncio.Event) -> Process:
    """A process in which this call of this port does not return before `released`."""
    process = world.process()
    group_consumer: Any = process.group_consumer
    ctx = process.ctx
    if port is BlockStore:
        ctx = replace(ctx, store=cast("BlockStore", Hanging(ctx.store, call, released)))
    elif port is DeadLetters:
        ctx = replace(ctx, dead_letters=cast("DeadLetters", Hanging(ctx.dead_letters, call, released)))
    else:
        group_consumer = HangingGroupConsumer(group_consumer, call, released)
    process.consumer = Consumer(group_consumer, ctx)
    return process.begin()


@pytest.mark.parametrize(("port", "call"), calls_of(PartitionView, OwnedPartition, BlockStore, DeadLetters), ids=str)
def test_a_call_that_never_returns_is_noticed_and_the_partition_taken_over_anew(
    port: type, call: str, logs: list[EventDict]
) -> None:
    async def scenario() -> None:
        world = await World.make()
        await world.append(one("viewer-a", NOON_MS, batch=key(1)))
        await world.append_bad(one("viewer-b", NOON_MS))
        await world.append(one("viewer-c", NOON_MS, batch=key(1)), one("viewer-d", NOON_MS))
        await world.append(one("viewer-e", NOON_MS), revision=2)
        log_id = await world.store.adopt_log(LOG_NAME)
        await world.store.write_set_aside(log_id, 0, SetAside(3))
        world.log.set_committed(0, Committed(1, encode_intent(2)))  # there is something to recover, and to read back
        released = asyncio.Event()
        process = hanging_process(world, port, call, released)
        await until(process.consumer.blocked_by, within_s=NOTICED_S)
        assert process.consumer.blocked_by() == "stalled"
        assert process.metric("stalls_total") == 1
        assert [line["log_level"] for line in logs if line["event"] == "partition_stalled"] == ["error"]

        released.set()
        await until(lambda: world.drained() and process.consumer.blocked_by() is None, within_s=60)
        await process.stop()
        assert process.metric("stalls_total") == 1
        assert world.viewers() == ["viewer-d"]

    run_in_virtual_time(scenario())


@in_virtual_time
async def test_while_the_call_hangs_readiness_never_reports_it_ready() -> None:
    world = await World.make()
    released = asyncio.Event()
    process = hanging_process(world, BlockStore, "insert", released)
    await world.append_viewers("a")
    await until(process.consumer.blocked_by, within_s=NOTICED_S)
    for _ in range(int(3 * NOTICED_S)):
        assert process.consumer.blocked_by() == "stalled", "readiness does not flicker"
        await asyncio.sleep(1)
    assert process.metric("stalls_total") >= 3, "it goes on trying"

    released.set()
    await until(lambda: process.consumer.blocked_by() is None)
    assert world.drained()
    assert world.viewers() == ["a"]
    await process.stop()


@in_virtual_time
async def test_a_stalled_partition_that_went_to_another_member_is_reported_no_longer() -> None:
    world = await World.make(partitions=2)
    released = asyncio.Event()
    process = hanging_process(world, BlockStore, "insert", released)
    await until(lambda: process.member.owned == {0, 1})
    await world.append_viewers("a")
    await until(process.consumer.blocked_by, within_s=NOTICED_S)
    other = world.start()
    await until(lambda: len(other.member.owned) == 1)
    if 0 not in other.member.owned:
        world.log.revoke(0)
        world.log.revoke(1)
    await until(lambda: world.viewers() == ["a"], within_s=10)
    assert process.consumer.blocked_by() == "stalled"
    await until(lambda: process.consumer.blocked_by() is None, within_s=GIVEN_AWAY_S + 1)
    released.set()
    await process.stop()
    await other.stop()


@in_virtual_time
async def test_waiting_for_records_or_for_a_known_reason_is_no_stall(logs: list[EventDict]) -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("a")
    await until(world.drained)
    await asyncio.sleep(3 * NOTICED_S)
    world.store.down = StoreUnavailable()
    await world.append_viewers("b")
    await asyncio.sleep(3 * NOTICED_S)
    assert process.consumer.blocked_by() == "store_unavailable"
    world.store.down = None
    await until(world.drained)
    await process.stop()

    assert process.metric("stalls_total") == 0
    assert process.metric("recoveries_total", found="resume") == 1, "it was never taken over anew"


STILL = WorkerProgress(PartitionState.DELIVERING, position=5, window_offset=5)


def checks_until_stalled(watch: Watchdog, *seen: WorkerProgress) -> int | None:
    """After how many checks, which see these values in turn, the watchdog reports a stall; None: never."""
    return next((n for n in range(1, 500) if watch.has_stalled(seen[n % len(seen)])), None)


def test_only_what_is_busy_at_one_place_has_stalled() -> None:
    assert checks_until_stalled(Watchdog(), STILL) == STALLED_AFTER_CHECKS + 1
    assert checks_until_stalled(Watchdog(), STILL, replace(STILL, position=6)) is None
    assert checks_until_stalled(Watchdog(), STILL, replace(STILL, window_offset=6)) is None, (
        "the window is being rebuilt"
    )
    assert checks_until_stalled(Watchdog(), replace(STILL, state=PartitionState.IDLE)) is None
    assert checks_until_stalled(Watchdog(), replace(STILL, blocked=True)) is None


def test_a_check_that_finds_it_moving_begins_the_count_anew() -> None:
    watch = Watchdog()
    for _ in range(STALLED_AFTER_CHECKS):
        assert not watch.has_stalled(STILL)
    assert not watch.has_stalled(replace(STILL, blocked=True))
    assert checks_until_stalled(watch, STILL) == STALLED_AFTER_CHECKS + 1


@in_virtual_time
async def test_many_unreadable_records_are_put_aside_without_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World.make()
    for _ in range(500):
        await world.append_bad(one("viewer-a", NOON_MS))
    append = world.log.dead_letters.append

    async def slow(letter: DeadLetter) -> None:
        await asyncio.sleep(60.0)
        await append(letter)

    monkeypatch.setattr(world.log.dead_letters, "append", slow)
    process = world.process(policy=FlushPolicy(max_rows=1000, max_age_s=0.0)).begin()
    await until(world.drained, within_s=600)
    await process.stop()
    assert process.metric("stalls_total") == 0
    assert len(world.log.dead_letters.letters) == 500
