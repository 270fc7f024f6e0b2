"""Counts flow from the log into the store, each block's intent committed first."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.backends.ports.errors import PartitionLost
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer import batching
from siddes_telemetry.consumer.batching import FlushPolicy
from tests.fakes.consumer_process import ACCEPTED, NOON_MS, SHOWN, Process, Sent, World, encode, key, one
from tests.fakes.memory_store import MemoryStore, StoredRow
from tests.fakes.virtual_time import in_virtual_time, until

PATIENT = FlushPolicy(max_rows=2, max_age_s=3600.0)


class WitnessStore(MemoryStore):
    """Records what the group had committed at each insert."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.witnessed: list[Committed | None] = []
        self.came = asyncio.Event()

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        self.witnessed.append(self.world.log.committed(0))
        self.came.set()
        await super().insert(block, token, deadline_s=deadline_s)


@in_virtual_time
async def test_counts_flow() -> None:
    world = await World.make()
    log_id = await world.store.adopt_log("counts")
    process = world.start()
    await world.append(Sent(key(1), "viewer-a", {SHOWN: 3, ACCEPTED: 1}, NOON_MS), one("viewer-b", NOON_MS + 1))
    await until(world.drained)

    assert world.store.rows == [
        StoredRow("viewer-a", SHOWN, 3, NOON_MS, log_id, 0, 0),
        StoredRow("viewer-a", ACCEPTED, 1, NOON_MS, log_id, 0, 0),
        StoredRow("viewer-b", SHOWN, 1, NOON_MS + 1, log_id, 0, 0),
    ]
    assert process.metric("rows_stored_total") == 3
    assert process.metric("records_stored_total") == 1
    assert process.metric("lag_records", partition="0") == 0
    assert process.consumer.blocked_by() is None
    await process.stop()


async def test_counts_flow_on_a_real_clock_with_blocks_built_in_a_thread() -> None:
    store = WitnessStore()
    world = store.world = await World.make(store)
    process = world.start()
    await world.append_viewers("a")
    await store.came.wait()
    await process.stop()

    assert world.viewers() == ["a"]
    assert world.log.committed(0) == Committed(1, "")


@in_virtual_time
async def test_every_insert_has_its_intent_committed_first_and_the_next_intent_commits_it() -> None:
    store = WitnessStore()
    world = store.world = await World.make(store, policy=PATIENT)
    await world.append_viewers(*"abcde")
    process = world.start()
    await until(lambda: len(store.rows) == 4)
    await process.stop()

    assert store.witnessed == [
        Committed(0, '{"v":1,"end":2}'),
        Committed(2, '{"v":1,"end":4}'),
        Committed(4, '{"v":1,"end":5}'),
    ]
    assert world.ranges() == ["0-2", "2-4", "4-5"]
    assert world.log.commits == [
        (0, 0, '{"v":1,"end":2}'),
        (0, 2, '{"v":1,"end":4}'),
        (0, 4, '{"v":1,"end":5}'),
        (0, 5, ""),
    ]


@in_virtual_time
async def test_an_idle_partition_carries_no_intent_and_is_committed_once() -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("a")
    await until(world.drained)
    commits = list(world.log.commits)
    await asyncio.sleep(60)
    await process.stop()

    assert commits == world.log.commits == [(0, 0, '{"v":1,"end":1}'), (0, 1, "")]


@in_virtual_time
async def test_records_wait_until_the_oldest_is_of_age() -> None:
    world = await World.make(policy=FlushPolicy(max_rows=100, max_age_s=7.0))
    process = world.start()
    await world.append_viewers("a", "b")
    await until(lambda: process.metric("lag_records", partition="0") == 2)
    began_s = process.ctx.clocks.monotonic_s()
    await until(lambda: world.store.rows)

    assert process.ctx.clocks.monotonic_s() - began_s == pytest.approx(7.0, abs=0.1)
    assert world.ranges() == ["0-2"]
    await process.stop()


@in_virtual_time
@pytest.mark.parametrize(("partitions", "first"), [(1, "0-4"), (2, "0-2")])
async def test_partitions_share_what_blocks_may_take(
    monkeypatch: pytest.MonkeyPatch, partitions: int, first: str
) -> None:
    monkeypatch.setattr(batching, "MIN_BLOCK_BYTES", 1)
    row_bytes = len(encode([one("a", NOON_MS)])[0]) + batching.SOURCE_COLUMN_BYTES
    world = await World.make(partitions=partitions, policy=FlushPolicy(max_age_s=3600.0, all_bytes=4 * row_bytes))
    process = world.start()
    await until(lambda: len(process.ctx.owned) == partitions)
    await world.append_viewers(*"abcdefgh")
    await until(lambda: world.store.attempts)

    assert world.ranges()[0] == first
    await process.stop()


@in_virtual_time
async def test_a_record_that_comes_alone_is_stored_at_once_and_the_next_a_while_later() -> None:
    world = await World.make(policy=FlushPolicy(max_rows=100, max_age_s=70.0, few_rows=1, few_age_s=7.0))
    process = world.start()
    began_s = process.ctx.clocks.monotonic_s()
    await world.append_viewers("a")
    await until(lambda: len(world.store.rows) == 1)
    assert process.ctx.clocks.monotonic_s() - began_s < 1.0

    await world.append_viewers("b")
    await until(lambda: len(world.store.rows) == 2)
    assert process.ctx.clocks.monotonic_s() - began_s == pytest.approx(7.0, abs=1.0)
    await process.stop()


@in_virtual_time
async def test_stop_stores_what_was_fetched_and_commits_it_without_an_intent() -> None:
    world = await World.make(policy=FlushPolicy(max_rows=100, max_age_s=3600.0))
    process = world.start()
    await world.append_viewers("a", "b", "c")
    await until(lambda: process.metric("lag_records", partition="0") == 3)
    assert world.store.rows == []

    await process.stop()

    assert world.viewers() == ["a", "b", "c"]
    assert world.log.committed(0) == Committed(3, "")


@in_virtual_time
async def test_stop_during_an_insert_stores_the_rest_in_blocks_of_their_size() -> None:
    world = await World.make(policy=FlushPolicy(max_rows=4, max_age_s=3600.0))
    world.store.gate.clear()
    await world.append_viewers(*"abcdefghij")
    process = world.start()
    await until(lambda: world.store.attempts)
    process.consumer.stop()
    world.store.gate.set()
    await process.task

    assert world.ranges() == ["0-4", "4-8", "8-10"]
    assert world.log.committed(0) == Committed(10, "")


@in_virtual_time
async def test_stop_of_an_idle_consumer_returns_and_touches_nothing() -> None:
    world = await World.make(partitions=2)
    process = world.start()
    await until(lambda: len(process.member.owned) == 2)
    await process.stop()

    assert world.log.commits == []
    assert world.store.attempts == []


@in_virtual_time
async def test_stop_without_partitions_returns() -> None:
    world = await World.make()
    first, second = world.start(), world.start()
    await until(lambda: first.member.owned or second.member.owned)
    await second.stop()
    await first.stop()


@in_virtual_time
async def test_two_processes_share_the_partitions_and_take_over_from_each_other() -> None:
    world = await World.make(partitions=4)
    first, second = world.start(), world.start()
    await until(lambda: len(first.member.owned) == len(second.member.owned) == 2)
    for partition in range(4):
        await world.append(one(f"viewer-{partition}", NOON_MS), partition=partition)
    await until(world.drained)
    assert first.metric("rows_stored_total") == second.metric("rows_stored_total") == 2

    await first.stop()
    for partition in range(4):
        await world.append(one(f"viewer-{partition}", NOON_MS), partition=partition)
    await until(world.drained)
    await second.stop()

    assert world.viewers() == [f"viewer-{n}" for n in (0, 0, 1, 1, 2, 2, 3, 3)]


@in_virtual_time
async def test_offsets_may_skip() -> None:
    world = await World.make()
    world.log.skip(0, 2)
    await world.append_viewers("a")
    world.log.skip(0, 3)
    await world.append_viewers("b")
    process = world.start()
    await until(lambda: world.viewers() == ["a", "b"])
    await until(world.drained)
    await process.stop()


@in_virtual_time
async def test_what_a_lost_partition_showed_is_no_longer_shown() -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("a")
    await until(world.drained)
    assert shown(process) == {"lag_records", "lag_seconds", "halted"}
    other = world.start()
    world.log.revoke(0)
    await until(lambda: other.member.owned)

    assert shown(process) == set()
    await process.stop()
    await other.stop()


def shown(process: Process) -> set[str]:
    """The gauges that still have a value for some partition."""
    metrics = process.ctx.metrics
    gauges = {"lag_records": metrics.lag_records, "lag_seconds": metrics.lag_seconds, "halted": metrics.halted}
    return {name for name, gauge in gauges.items() if any(m.samples for m in gauge.collect())}


@in_virtual_time
async def test_a_fenced_intent_commit_inserts_nothing() -> None:
    world = await World.make()
    await world.append_viewers("a")
    world.log.fence(0)

    with pytest.raises(PartitionLost):
        await world.process().worker(world.log, generation=0).run()

    assert world.store.attempts == []
    assert world.log.commits == []


@in_virtual_time
async def test_a_defect_ends_the_consumer_and_is_raised() -> None:
    world = await World.make()
    process = world.start()
    world.store.fail_next(ZeroDivisionError(), applied=False)  # type: ignore[arg-type]  # no backend error: a defect
    await world.append_viewers("a")

    with pytest.raises(ZeroDivisionError):
        await process.task
