"""What a consumer no longer needs is freed at once: garbage collections are rare."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer import service
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.worker import PartitionWorker
from tests.fakes.consumer_process import World
from tests.fakes.garbage import uncollected
from tests.fakes.virtual_time import in_virtual_time, until

Workers = list[weakref.ref[PartitionWorker]]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """The partition workers that were made, in order, as far as they are still there."""
    made: Workers = []

    class Noted(PartitionWorker):
        def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
            super().__init__(partition, ctx)
            made.append(weakref.ref(self))

    monkeypatch.setattr(service, "PartitionWorker", Noted)
    return made


@in_virtual_time
async def test_a_worker_that_has_ended_is_freed_with_its_records(workers: Workers) -> None:
    world = await World.make()
    process = world.start()
    with uncollected():
        for number, take_away in enumerate((world.log.revoke, world.log.fence), start=1):
            await world.append_viewers("a")
            await until(world.drained)
            take_away(0)
            await world.append_viewers("b")  # one that is fenced notices it at the commit
            await asyncio.sleep(60)
            assert [each() is None for each in workers] == [*[True] * number, False]
    await process.stop()
