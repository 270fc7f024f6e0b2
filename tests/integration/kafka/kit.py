"""Shared helpers of the Kafka tests: group members under the test's control, and short constructors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.kafka.produce_request import ProduceRequest
from siddes_telemetry.backends.kafka.rebalance import GroupTimes
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from siddes_telemetry.backends.ports.log import OwnedPartition, PartitionWork
from siddes_telemetry.schemas.record import Headers, LogRecord

HEADERS: Headers = (("schema", b"1.1"), ("rows", b"1"), ("batches", bytes(18)))
WAIT_S = 30.0  # for events that take less than a second on an idle machine
QUICK = GroupTimes(session_s=6.0, rebalance_s=10.0, release_s=5.0, stall_s=30.0)


async def soon(coming: Awaitable[object]) -> None:
    """Await it, and fail the test if it takes longer than WAIT_S."""
    async with asyncio.timeout(WAIT_S):
        await coming


async def until(true: Callable[[], bool]) -> None:
    """Wait until this is true, where the code under test has no event for it."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.02)


async def topic_settings(bootstrap: str, topic: str) -> dict[str, str]:
    """The settings that apply to a topic."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await client.close()
    ((_, _, _, _, entries),) = answer.resources
    return {name: value for name, value, *_ in entries}


async def make_topic(bootstrap: str, topic: str, partitions: int = 2, *, replication: int = 1) -> None:
    await KafkaAdmin(
        KafkaConnection(bootstrap), topic, partitions=partitions, replication=replication, retention_days=30
    ).migrate()


@asynccontextmanager
async def opened_journal(bootstrap: str, topic: str, registry: CollectorRegistry) -> AsyncIterator[KafkaJournal]:
    journal = KafkaJournal(
        KafkaConnection(bootstrap),
        topic,
        metrics=JournalMetrics(registry),
        appender_metrics=KafkaAppenderMetrics(registry),
        rng=random.Random(1),
    )
    try:
        yield journal
    finally:
        await journal.close()


async def delete_records(bootstrap: str, topic: str, partition: int, before: int) -> None:
    """Move the beginning of a partition."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
    finally:
        await client.close()


@asynccontextmanager
async def appending(
    bootstrap: str,
    topic: str,
    partitions: int = 2,
    registry: CollectorRegistry | None = None,
    set_troubles: Callable[[int, int], None] | None = None,
) -> AsyncIterator[KafkaAppender]:
    appender = KafkaAppender(
        KafkaConnection(bootstrap),
        topic,
        partitions,
        metrics=KafkaAppenderMetrics(registry or CollectorRegistry()),
        rng=random.Random(1),
        set_troubles=set_troubles,
    )
    await appender.start()
    try:
        yield appender
    finally:
        await appender.close()


def shared_requests(appender: KafkaAppender) -> Callable[[], list[int]]:
    """A function that returns the sizes of later produce requests with more than one record."""
    encoder = appender._session.result().producer._encoder
    request, sizes = encoder.request, list[int]()

    def noted(batches: Mapping[int, bytes]) -> ProduceRequest:
        sizes.append(len(batches))
        return request(batches)

    encoder.request = noted  # type: ignore[method-assign]  # replaced for the test
    return lambda: [size for size in sizes if size > 1]


async def pingable(target: KafkaAppender | KafkaGroupConsumer) -> None:
    """Wait until it is ready."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await target.ping()
            except LogUnavailable:
                await asyncio.sleep(0.05)


async def unpingable(target: KafkaAppender | KafkaGroupConsumer) -> None:
    """Wait until it is not ready: an append acknowledged a moment ago may still count."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await target.ping()
            except LogUnavailable:
                return
            await asyncio.sleep(0.05)


async def missing(target: KafkaAppender) -> None:
    """Wait until ping raises LogMissing; a busy broker may not answer a ping in time."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await target.ping()
            except LogMissing:
                return
            except LogUnavailable:
                continue
            raise AssertionError("it is ready")


def make_group_consumer(
    bootstrap: str, topic: str, group: str, times: GroupTimes = QUICK, registry: CollectorRegistry | None = None
) -> KafkaGroupConsumer:
    metrics = KafkaGroupMetrics(registry or CollectorRegistry())
    return KafkaGroupConsumer(
        KafkaConnection(bootstrap), topic, group, metrics=metrics, rng=random.Random(1), times=times
    )


@asynccontextmanager
async def running(group_consumer: KafkaGroupConsumer, work: PartitionWork) -> AsyncIterator[asyncio.Task[None]]:
    """A member of the group until the end of the block, which raises the exception of its run."""
    task = asyncio.ensure_future(group_consumer.run(work))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


class Hands:
    """Work that hands each partition to the test and holds it until it is revoked. `events` are in order."""

    def __init__(self, name: str = "", events: list[str] | None = None, goodbye_s: float = 0.0) -> None:
        self.name = name
        self.goodbye_s = goodbye_s  # how long it takes to let a partition go
        self.events = events if events is not None else []
        self.held: dict[int, OwnedPartition] = {}
        self._given: asyncio.Queue[OwnedPartition] = asyncio.Queue()

    async def __call__(self, partition: OwnedPartition) -> None:
        self.events.append(f"{self.name} begins {partition.number}")
        self.held[partition.number] = partition
        self._given.put_nowait(partition)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self.goodbye_s)
            del self.held[partition.number]
            self.events.append(f"{self.name} ended {partition.number}")

    async def next(self) -> OwnedPartition:
        async with asyncio.timeout(WAIT_S):
            return await self._given.get()


async def fetch_values(partition: OwnedPartition, count: int) -> list[bytes]:
    """The values of the next `count` records."""
    values: list[bytes] = []
    async with asyncio.timeout(WAIT_S):
        while len(values) < count:
            values += [record.value for record in await partition.fetch()]
    return values


async def read_all(partition: OwnedPartition, start: int, end: int) -> Sequence[LogRecord]:
    return [record async for piece in partition.read(start, end) for record in piece]
