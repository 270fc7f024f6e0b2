"""A process may end at any instant; the next owner completes what it began, exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date
from itertools import cycle
from typing import Literal

import pytest

from siddes_telemetry.backends.ports.errors import PartitionLost, StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.lease import IN_FLIGHT_S, INSERT_DEADLINE_S, LEASE_S
from tests.fakes.consumer_process import DAY_MS, MINUTE_MS, NOON_MS, Process, World, key, one
from tests.fakes.latency import Fate, SlowStore
from tests.fakes.memory_store import MemoryStore
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time, until

MIDNIGHT_MS = NOON_MS + DAY_MS // 2
STEP_S = 0.001  # what every call takes
CALLS = 45  # more than a run of `crash_after` makes
LARGE_BLOCKS, SMALL_BLOCKS = FlushPolicy(max_rows=8, max_age_s=0.0), FlushPolicy(max_rows=2, max_age_s=0.0)


async def two_days(world: World) -> None:
    """Four records of three rows, of two table days, one of them a client's retry."""
    world.log.now_ms = MIDNIGHT_MS
    for n, batch in enumerate((1, 2, 1, 3)):
        before, after = MIDNIGHT_MS - MINUTE_MS, MIDNIGHT_MS + MINUTE_MS
        await world.append(
            one(f"viewer-{n}", before), one(f"viewer-{n}", after), one("viewer", after, batch=key(batch))
        )


EXPECTED = Counter({"viewer": 3, **{f"viewer-{n}": 2 for n in range(4)}})


async def crash_after(seconds: float, fate: Fate, first: FlushPolicy, then: FlushPolicy) -> tuple[World, Process]:
    fates = cycle([fate, Fate(STEP_S)])
    world = await World.make(SlowStore(lambda: next(fates)))
    await two_days(world)
    doomed = world.start(delay=lambda: STEP_S, policy=first)
    await asyncio.sleep(seconds)
    await doomed.kill()
    heir = world.start(delay=lambda: STEP_S, policy=then)
    await until(world.drained, step_s=0.5)
    await asyncio.sleep(100)  # inserts still in flight have arrived
    await heir.stop()
    return world, heir


@pytest.mark.parametrize("fate", [Fate(STEP_S), Fate(STEP_S, days=1), Fate(STEP_S, answers=False), Fate(30.0)], ids=str)
@pytest.mark.parametrize(("first", "then"), [(LARGE_BLOCKS, SMALL_BLOCKS), (SMALL_BLOCKS, LARGE_BLOCKS)])
def test_a_crash_at_any_instant_loses_nothing_and_counts_nothing_twice(
    fate: Fate, first: FlushPolicy, then: FlushPolicy
) -> None:
    replays = 0
    for call in range(CALLS):
        world, heir = run_in_virtual_time(crash_after((call + 0.5) * STEP_S, fate, first, then))

        assert Counter(world.viewers()) == EXPECTED, f"crash during call {call}"
        ranges = {tuple(map(int, each.split("-"))) for each in world.ranges()}
        assert sum(end - start for start, end in ranges) == 4, f"no two blocks overlap: {ranges}"
        replays += heir.metric("recoveries_total", found="replay") > 0
    assert replays > 3


@in_virtual_time
async def test_a_replay_reads_exactly_the_range_of_the_intent_and_inserts_the_same_bytes() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    world.store.gate.clear()
    doomed = world.start()
    await until(lambda: world.store.attempts)
    await doomed.kill()
    await world.append_viewers("more", "and more")
    world.store.gate.set()
    heir = world.start(policy=SMALL_BLOCKS)
    await until(world.drained)
    await heir.stop()

    first_try, second_try, *_ = world.store.attempts
    assert second_try == first_try
    assert (0, 2) in heir.group_consumer.reads
    assert heir.metric("recoveries_total", found="replay") == 1


@in_virtual_time
async def test_a_replay_inserts_only_the_days_that_the_store_lacks() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    doomed = world.start()
    world.store.fail_next(StoreUnavailable(), applied=[date(2024, 10, 5)])
    await until(lambda: world.store.rows)
    await doomed.kill()
    world.store.forget_tokens()
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    _, (token, block), *_ = world.store.attempts
    assert token.endswith(":0-2")
    assert {line[line.index(b"created_at") :][13:23] for line in block.splitlines()} == {b"2024-10-04"}
    assert Counter(world.viewers()) == EXPECTED
    assert heir.metric("replayed_rows_total") == 2


@in_virtual_time
async def test_a_replay_of_what_is_all_there_inserts_nothing() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await world.append_viewers("a")
    doomed = world.start()
    world.store.fail_next(StoreUnavailable(), applied=True)
    await until(lambda: world.store.rows)
    await doomed.kill()
    world.store.forget_tokens()
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert len(world.store.attempts) == 1
    assert world.viewers() == ["a"]
    assert world.log.committed(0) == Committed(1, "")


@in_virtual_time
async def test_a_consumer_that_lost_its_partition_unawares_changes_nothing_any_more() -> None:
    fates = iter([Fate(20.0)])
    world = await World.make(SlowStore(lambda: next(fates, Fate())))
    await world.append_viewers("a", "b")
    unaware = asyncio.ensure_future(world.process().worker(world.log, generation=0).run())
    await until(lambda: world.store.attempts)

    heir = world.start()  # under a new generation, while the first insert is still under way
    await until(world.drained)
    assert world.viewers() == ["a", "b"]
    await world.append_viewers("c")
    with pytest.raises(PartitionLost):
        await unaware
    await until(world.drained)
    await heir.stop()

    assert world.ranges() == ["0-2", "0-2", "2-3"]
    assert world.viewers() == ["a", "b", "c"]


def recoveries(process: Process) -> float:
    return sum(process.metric("recoveries_total", found=found) for found in ("resume", "replay"))


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("commit", range(4))
@in_virtual_time
async def test_a_commit_without_an_answer_is_recovered_from(commit: int, *, applied: bool) -> None:
    world = await World.make(policy=FlushPolicy(max_rows=2, max_age_s=0.0))
    await world.append_viewers("a", "b", "c", "d", "e")
    process = world.start(delay=lambda: STEP_S)
    await until(lambda: len(world.log.commits) == commit, step_s=STEP_S / 2)
    world.log.lose_next_commit(applied=applied)
    await until(lambda: world.drained() and recoveries(process) == 2)
    await process.stop()

    assert world.viewers() == ["a", "b", "c", "d", "e"]
    assert len(set(world.ranges())) == 3, "each range is inserted as its intent names it"
    assert process.metric("rows_stored_total") == process.metric("counts_stored_total") == 5
    assert process.metric("records_stored_total") == 5, (
        "a replay of a block that this process has counted is not counted again"
    )


@pytest.mark.parametrize(("applied", "again"), [(False, 6), (["2024-10-04"], 4)])
@in_virtual_time
async def test_after_a_suspend_the_intent_is_committed_again_and_the_store_is_asked(
    applied: Literal[False] | list[str], again: int
) -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    days = [date.fromisoformat(day) for day in applied or ()]
    world.store.fail_next(StoreUnavailable(), applied=days)
    process = world.start()
    await until(lambda: world.store.attempts)
    process.slept_s += 61.0
    world.store.forget_tokens()
    await until(world.drained)
    await process.stop()

    assert world.log.commits[:2] == [(0, 0, '{"v":1,"end":2}')] * 2
    assert process.metric("lease_lapses_total") == 1
    assert process.metric("replayed_rows_total") == again
    assert Counter(world.viewers()) == EXPECTED


@pytest.mark.parametrize(("applied", "failures", "tries"), [(False, 3, 4), ([date(2024, 10, 4)], 1, 2), (True, 1, 1)])
@in_virtual_time
async def test_after_a_try_without_an_answer_only_what_lacks_is_tried_again(
    applied: bool | list[date], failures: int, tries: int
) -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    for _ in range(failures):
        world.store.fail_next(StoreUnavailable(), applied=applied)
    process = world.start()
    await until(lambda: world.store.attempts)
    world.store.forget_tokens()  # as a power cut may: the rows are there
    await until(world.drained)
    await process.stop()

    first = [(token, block) for token, block in world.store.attempts if token.endswith(":0-2")]
    assert len(first) == tries
    assert process.metric("lease_lapses_total") == 0
    assert Counter(world.viewers()) == EXPECTED


@in_virtual_time
async def test_a_token_that_outlived_its_rows_does_not_swallow_them() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    world.store.fail_next(StoreUnavailable(), applied=True, tokens_only=True)
    process = world.start()
    await until(lambda: process.metric("spent_tokens_total") == 1)
    world.store.fail_next(StoreUnavailable(), applied=True, tokens_only=True)  # of the second token as well
    await until(world.drained)
    await process.stop()

    assert Counter(world.viewers()) == EXPECTED
    assert process.metric("spent_tokens_total") == 2
    assert [token.rpartition(":")[2] for token, _ in world.store.attempts[:5]] == ["0-2", "0-2", "1", "1", "2"]


@in_virtual_time
async def test_only_the_day_whose_token_outlived_its_rows_is_inserted_under_another() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await two_days(world)
    world.store.fail_next(StoreUnavailable(), applied=[date(2024, 10, 5)], tokens_only=True)
    doomed = world.start()
    await until(lambda: world.store.attempts)
    await doomed.kill()
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    (_, whole), (_, again), (token, last), *_ = world.store.attempts
    assert again == whole
    assert token.endswith(":0-2:1")
    assert {line[line.index(b"created_at") :][13:23] for line in last.splitlines()} == {b"2024-10-05"}
    assert Counter(world.viewers()) == EXPECTED


@in_virtual_time
async def test_an_insert_still_under_way_is_waited_for_before_another_token_is_used() -> None:
    fates = iter([Fate(29.0, tokens_first=True)])
    world = await World.make(SlowStore(lambda: next(fates, Fate())))
    await world.append_viewers("a")
    unaware = asyncio.ensure_future(world.process().worker(world.log, generation=0).run())
    await until(lambda: world.store.attempts)
    heir = world.start()  # the store drops its insert by the token, while it has no rows yet
    await until(world.drained)
    await heir.stop()
    with pytest.raises(PartitionLost):
        await unaware

    assert heir.metric("spent_tokens_total") == 1
    assert world.viewers() == ["a"]


@in_virtual_time
async def test_a_former_owners_insert_is_waited_for_although_its_token_may_be_forgotten() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await world.append_viewers("a")
    world.store.fail_next(StoreUnavailable(), applied=True, tokens_only=True)
    process = world.start()
    await until(lambda: process.metric("spent_tokens_total") == 1)
    token, block = world.store.attempts[0]
    world.store.forget_tokens()
    await asyncio.sleep(LEASE_S + IN_FLIGHT_S)
    await world.store.insert(block, token, deadline_s=INSERT_DEADLINE_S)  # as a former owner sent it
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a"]


@in_virtual_time
async def test_a_store_whose_tokens_go_with_their_rows_is_not_asked_after_a_repeat() -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    world.store.lone = False
    await world.append_viewers("a")
    world.store.fail_next(StoreUnavailable(), applied=True)
    process = world.start()
    await until(lambda: world.store.rows)
    world.store.rows.clear()  # as a replica may look that lags behind
    await until(world.drained)
    await process.stop()

    assert {token.rpartition(":")[2] for token, _ in world.store.attempts} == {"0-1"}


async def delete_in_part(store: MemoryStore) -> None:
    store.rows = [row for row in store.rows if row.viewer_id != "a"]


async def purge_old(store: MemoryStore) -> None:
    await store.purge(NOON_MS + MINUTE_MS, NOON_MS + DAY_MS)


async def purge_ahead(store: MemoryStore) -> None:
    await store.purge(0, NOON_MS - MINUTE_MS)


@pytest.mark.parametrize("remove", [delete_in_part, purge_old, purge_ahead])
@in_virtual_time
async def test_rows_that_an_operator_removed_do_not_come_back_with_a_replay(
    remove: Callable[[MemoryStore], Awaitable[None]],
) -> None:
    world = await World.make(policy=LARGE_BLOCKS)
    await world.append_viewers("a", "b", "c")
    first = world.start()
    await until(world.drained)
    await first.kill()
    world.log.set_committed(0, Committed(0, encode_intent(3)))  # it died before it committed the end of the block
    await remove(world.store)
    left = world.viewers()
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert world.ranges() == ["0-3", "0-3"]
    assert world.viewers() == left
    assert heir.metric("spent_tokens_total") == 0
