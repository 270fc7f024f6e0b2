"""A member that has a reason to leave its group starts no task for partitions that are still assigned to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.failure_report import FailureReport
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics
from siddes_telemetry.backends.kafka.offset_commit import Membership
from siddes_telemetry.backends.kafka.rebalance import GroupTimes, KafkaMember
from siddes_telemetry.backends.kafka.stalled_partitions import StalledPartitions
from siddes_telemetry.backends.ports.log import OwnedPartition
from tests.fakes.virtual_time import in_virtual_time

KEYS = [TopicPartition("topic", number) for number in (0, 1)]


class StuckConsumer:
    """The member's own consumer: its fetches return nothing."""

    def subscribe(self, **_: object) -> None: ...

    def pause(self, _key: TopicPartition) -> None: ...

    def resume(self, _key: TopicPartition) -> None: ...

    def seek(self, _key: TopicPartition, _offset: int) -> None: ...

    async def position(self, _key: TopicPartition) -> int:
        return 0

    async def getmany(self, *_: object, timeout_ms: float, **__: object) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(timeout_ms / 1000)
        return {}


class OtherConsumer:
    """Another consumer, which reads one record of each partition, and takes its time."""

    def __init__(self, delays: dict[TopicPartition, float]) -> None:
        self._delays = delays
        self._position = 0

    async def end_offsets(self, keys: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(keys, 1)

    def assign(self, _keys: list[TopicPartition]) -> None: ...

    def seek(self, _key: TopicPartition, _offset: int) -> None: ...

    async def getmany(self, key: TopicPartition, **_: object) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(self._delays[key])
        self._position = 1
        return {}

    async def position(self, _key: TopicPartition) -> int:
        return self._position


class FakeConnection:
    def __init__(self, delays: dict[TopicPartition, float]) -> None:
        self._delays = delays

    @asynccontextmanager
    async def reading_consumer(self, _topic: str) -> AsyncIterator[OtherConsumer]:
        yield OtherConsumer(self._delays)


class Joined:
    """A committer of a member that is in its group."""

    def membership(self) -> Membership:
        return Membership(1, "member")

    def coordinator_known(self) -> bool:
        return True

    def check(self) -> None: ...


@in_virtual_time
async def test_no_task_is_started_after_a_stall_while_other_partitions_are_still_examined() -> None:
    metrics = KafkaGroupMetrics(CollectorRegistry())
    begun: list[int] = []

    async def work(partition: OwnedPartition) -> None:
        begun.append(partition.number)
        await partition.seek(0)
        await partition.fetch()

    context: Any = SimpleNamespace(
        connection=FakeConnection({KEYS[0]: 0.1, KEYS[1]: 60.0}),
        consumer=StuckConsumer(),
        committer=Joined(),
        metrics=metrics,
        stalls=StalledPartitions(metrics),
        report=FailureReport("topic", Rights()),
        monotonic=asyncio.get_running_loop().time,
    )
    member = KafkaMember("topic", work, GroupTimes(), context)
    living = asyncio.ensure_future(member.live())
    await member.on_partitions_assigned(set(KEYS))
    await asyncio.sleep(40)  # the first partition has stalled, the second is being examined
    await member.on_partitions_revoked(set(KEYS))
    await member.on_partitions_assigned(set(KEYS))

    assert await living == "stalled"
    assert begun == [0, 1]
