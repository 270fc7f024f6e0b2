"""The store or the log does not answer, or refuses: the consumer waits, reports it, and goes on by itself."""

from __future__ import annotations

import asyncio

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.errors import (
    LogUnavailable,
    PartitionLost,
    StoreFailed,
    StoreMissing,
    StoreRefused,
    StoreUnavailable,
)
from siddes_telemetry.backends.ports.log import DeadLetter
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.service import DRAIN_S
from tests.fakes.consumer_process import ACCEPTED, NOON_MS, SHOWN, Sent, World, key, one
from tests.fakes.memory_log import MemoryDeadLetters
from tests.fakes.memory_store import MemoryStore
from tests.fakes.virtual_time import in_virtual_time, until

SMALL = FlushPolicy(max_rows=5, max_age_s=0.5)


def named(logs: list[EventDict], event: str) -> list[EventDict]:
    return [each for each in logs if each["event"] == event]


@pytest.mark.parametrize(
    ("error", "reason"), [(StoreUnavailable(), "store_unavailable"), (StoreMissing(), "store_missing")]
)
@in_virtual_time
async def test_while_the_store_is_away_the_log_waits_and_memory_is_bounded(error: StoreFailed, reason: str) -> None:
    world = await World.make(policy=SMALL)
    world.log.piece = 10
    process = world.process()
    worker = process.worker(world.log, generation=0)
    working = asyncio.ensure_future(worker.run())
    await world.append_viewers("first")
    await until(world.drained)

    world.store.down = error
    for n in range(20):
        await world.append_viewers(*(f"viewer-{n}-{m}" for m in range(10)))
        await asyncio.sleep(30)
        assert len(worker._fetcher.pending) <= SMALL.max_rows + world.log.piece
    assert process.consumer.blocked_by() in {"store_unavailable", reason}
    assert len(world.store.attempts) <= 1 + 600 / 5, "it backs off"
    assert process.metric("insert_failures_total", reason=error.reason) > 5

    world.store.down = None
    await until(world.drained)
    assert len(world.store.rows) == 201
    assert process.consumer.blocked_by() is None
    process.consumer.stop()
    await working


@in_virtual_time
async def test_while_an_insert_is_under_way_nothing_more_is_kept() -> None:
    world = await World.make(policy=SMALL)
    world.log.piece = 10
    process = world.process()
    worker = process.worker(world.log, generation=0)
    working = asyncio.ensure_future(worker.run())
    world.store.gate.clear()
    await world.append_viewers(*(f"viewer-{n}" for n in range(100)))
    await until(lambda: world.store.attempts)
    await asyncio.sleep(20)

    assert len(worker._fetcher.pending) <= SMALL.max_rows + world.log.piece
    world.store.gate.set()
    await until(world.drained)
    process.consumer.stop()
    await working


@in_virtual_time
async def test_stop_while_the_store_is_away_leaves_the_intent_to_the_next() -> None:
    world = await World.make()
    await world.append_viewers("a", "b")
    world.store.fail_next(StoreUnavailable(), applied=False)
    process = world.start()
    await until(lambda: world.store.attempts)
    world.store.down = StoreUnavailable()
    await process.stop()
    assert world.log.commits == [(0, 0, '{"v":1,"end":2}')]

    world.store.down = None
    heir = world.start()
    await until(world.drained)
    await heir.stop()
    assert world.viewers() == ["a", "b"]


@in_virtual_time
async def test_an_insert_that_does_not_end_does_not_keep_the_process() -> None:
    world = await World.make()
    world.store.gate.clear()
    process = world.start()
    await world.append_viewers("a")
    await until(lambda: world.store.attempts)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await process.stop()

    assert DRAIN_S - 1 < loop.time() - began_s < DRAIN_S + 5
    world.store.gate.set()
    heir = world.start()
    await until(world.drained)
    await heir.stop()
    assert world.viewers() == ["a"]


@in_virtual_time
async def test_what_the_store_refuses_waits_loudly_and_is_never_split(logs: list[EventDict]) -> None:
    world = await World.make(MemoryStore(events={SHOWN}))
    await world.append(one("viewer-a", NOON_MS), Sent(key(1), "viewer-b", {ACCEPTED: 1}, NOON_MS))
    await world.append(one("viewer-c", NOON_MS))
    process = world.start()
    await until(lambda: len(world.store.attempts) >= 30)

    assert len(set(world.store.attempts)) == 1
    assert world.store.rows == []
    assert process.consumer.blocked_by() == "store_refused"
    assert process.metric("insert_failures_total", reason="refused") >= 29
    assert {(each["log_level"], each["code"]) for each in named(logs, "store_refused")} == {("error", 691)}

    world.store._events = None
    await until(world.drained)
    assert world.viewers() == ["viewer-a", "viewer-b", "viewer-c"]
    assert len(set(world.store.attempts)) == 1
    assert process.consumer.blocked_by() is None
    await process.stop()


@in_virtual_time
async def test_a_refusal_that_lapses_is_asked_about_and_then_tried_as_it_was() -> None:
    world = await World.make()
    await world.append_viewers("a")
    for _ in range(3):
        world.store.fail_next(StoreRefused(1), applied=False)
    process = world.start()
    await until(lambda: world.store.attempts)
    process.slept_s = 61.0
    await until(world.drained)
    await process.stop()

    assert process.metric("lease_lapses_total") == 1
    assert len(set(world.store.attempts)) == 1
    assert process.consumer.blocked_by() is None


@in_virtual_time
async def test_a_log_without_an_identity_is_waited_for(logs: list[EventDict]) -> None:
    world = World(MemoryStore())
    await world.append_viewers("a")
    process = world.start()
    await asyncio.sleep(60)
    assert process.consumer.blocked_by() == "store_missing"
    assert world.log.commits == []
    assert [each["trouble"] for each in named(logs, "waiting")] == ["store_missing"], "logged once"

    await world.store.adopt_log("counts")
    await until(world.drained)
    assert world.viewers() == ["a"]
    assert process.consumer.blocked_by() is None
    await process.stop()


@in_virtual_time
async def test_a_missing_table_is_waited_for_and_stop_does_not_wait_for_it() -> None:
    world = World(MemoryStore(migrated=False))
    process, other = world.start(), world.start()
    await until(lambda: process.consumer.blocked_by() or other.consumer.blocked_by())
    await process.stop()
    await other.stop()
    assert world.log.commits == []


@in_virtual_time
async def test_a_log_that_does_not_answer_gives_the_partition_up(logs: list[EventDict]) -> None:
    world = await World.make()
    working = asyncio.ensure_future(world.process().worker(world.log, generation=0).run())
    await world.append_viewers("a")
    await until(world.drained)
    world.log.available = False
    world.log.skip(0, 1)  # wakes the fetch

    with pytest.raises(PartitionLost):
        await working
    assert [each["error"] for each in named(logs, "log_failed")] == ["LogUnavailable"]


class ReluctantDeadLetters(MemoryDeadLetters):
    """Fails the first three calls, after it kept the letter or before."""

    def __init__(self, world: World, *, kept: bool) -> None:
        super().__init__(world.log)
        self.done_before: list[tuple[int, int]] = []  # commits and inserts at each call
        self._world = world
        self._kept = kept

    async def append(self, letter: DeadLetter) -> None:
        self.done_before.append((len(self._world.log.commits), len(self._world.store.attempts)))
        unanswered = len(self.done_before) <= 3
        if self._kept or not unanswered:
            await super().append(letter)
        if unanswered:
            raise LogUnavailable


@pytest.mark.parametrize("kept", [True, False])
@in_virtual_time
async def test_an_intent_is_not_committed_before_its_dead_letters_are_acknowledged(*, kept: bool) -> None:
    world = await World.make()
    letters = ReluctantDeadLetters(world, kept=kept)
    await world.append_viewers("a")
    await world.append_bad(one("viewer-b", NOON_MS))
    await world.append_viewers("c")
    process = world.start(dead_letters=letters)
    await until(world.drained)
    await process.stop()

    assert letters.done_before == [(0, 0)] * 4
    assert world.viewers() == ["a", "c"], "only that record"
    assert [(each.offset, each.reason) for each in await letters.entries()] == [(1, "rows_header")]
    assert letters.letters[0, 1].value == world.log.records(0)[1].value
    assert process.metric("dead_letters_total", reason="rows_header") == 1


@in_virtual_time
async def test_a_block_of_nothing_but_dead_letters_is_passed_without_an_insert() -> None:
    world = await World.make()
    await world.append_bad(one("viewer-a", NOON_MS))
    process = world.start()
    await until(world.drained)
    await process.stop()

    assert world.store.attempts == []
    assert world.log.commits == [(0, 0, '{"v":1,"end":1}'), (0, 1, "")]


@in_virtual_time
async def test_the_lag_goes_on_growing_while_the_store_is_away() -> None:
    world = await World.make()
    world.store.gate.clear()
    process = world.start()
    await world.append_viewers("a")
    await until(lambda: world.store.attempts)
    await world.append_viewers("b", "c")
    await until(lambda: process.metric("lag_records", partition="0") == 3, within_s=10)

    world.store.gate.set()
    await until(world.drained)
    assert process.metric("lag_records", partition="0") == 0
    await process.stop()
