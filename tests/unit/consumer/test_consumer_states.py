"""A partition worker's state says what its partition is in the middle of."""

from __future__ import annotations

import asyncio

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.partition_state import PartitionState
from tests.fakes.consumer_process import World
from tests.fakes.virtual_time import in_virtual_time, until


@in_virtual_time
async def test_an_open_intent_is_replayed_before_anything_is_fetched() -> None:
    world = await World.make(policy=FlushPolicy(max_age_s=5.0))
    await world.append_viewers("a", "b")
    world.log.set_committed(0, Committed(0, encode_intent(1)))
    world.store.down = StoreUnavailable()
    process = world.process()
    worker = process.worker(world.log, generation=0)
    working = asyncio.ensure_future(worker.run())
    await until(lambda: process.consumer.blocked_by() == "store_unavailable")
    assert [worker.state] == [PartitionState.TAKING_OVER], "the store has to say what it holds"

    world.store.down = None
    world.store.gate.clear()
    await until(lambda: world.store.attempts)
    assert [worker.state] == [PartitionState.REPLAYING]
    world.store.gate.set()
    await until(lambda: worker.state is PartitionState.FETCHING)
    world.store.gate.clear()
    await until(lambda: worker.state is PartitionState.DELIVERING, within_s=10)
    world.store.gate.set()
    await until(lambda: worker.state is PartitionState.IDLE)
    assert world.drained()
    process.consumer.stop()
    await working
    assert [worker.state] == [PartitionState.DRAINING]


@in_virtual_time
async def test_a_worker_that_waits_for_an_operator_is_halted_and_goes_on_once_the_cause_is_gone() -> None:
    world = await World.make()
    await world.append_viewers("a")
    world.log.set_committed(0, Committed(7, ""))
    process = world.process()
    worker = process.worker(world.log, generation=0)
    working = asyncio.ensure_future(worker.run())
    await until(lambda: worker.state is PartitionState.HALTED)
    world.log.set_committed(0, Committed(0, ""))
    await until(lambda: worker.state is PartitionState.IDLE, within_s=30)
    process.consumer.stop()
    await working
    assert world.viewers() == ["a"]
