"""aiokafka's clients: made with our settings, and got rid of for certain.

Looks inside aiokafka 0.14 in three places that it has no public API for: its metadata requests always allow the broker
to create the topics they name, its stop() waits for a broker that is away, and its decoding of what was fetched raises
for a batch that it cannot read, and copies each record into an object of eleven fields.
"""
# ruff: noqa: SLF001  # a seam to aiokafka's inside; the others are kafka_group.py and kafka_produce.py

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.api import Request, Response
from aiokafka.protocol.fetch import FetchRequest

from siddes_telemetry.backends.kafka.errors import driver_errors_translated
from siddes_telemetry.backends.kafka.record_batches import RecordSet

MAX_REQUEST_BYTES = 1_000_000  # under a broker's default message.max.bytes (1,048,588), with its batch header
FETCH_PARTITION_BYTES = 2 * 1024 * 1024  # held ready for each partition; smaller ones cost speed, larger ones memory
FETCH_BYTES = 32 * 1024 * 1024  # one answer of one broker
FETCH_WAIT_MS = 250  # an idle fetch; other questions on its connection wait for its end
METADATA_MAX_AGE_MS = 30_000  # new partitions and moved leaders are noticed by then
REQUEST_S = 10.0  # a broker that is silent for so long is asked again on a new connection
NEVER_MS = 365 * 24 * 3600 * 1000  # a member that waits for the store is no dead member
CORRUPT_WAIT_S = 0.5  # between two fetches of what the broker cannot read; other partitions' records wait as long
STOP_S = 5.0  # for flushing and saying goodbye; then the connections are cut

log = structlog.get_logger(__name__)


def make_client(bootstrap: str) -> AIOKafkaClient:
    """Connections to the brokers and what they say of the cluster. Not started: bootstrap() does that."""
    client = AIOKafkaClient(
        bootstrap_servers=bootstrap,
        request_timeout_ms=int(REQUEST_S * 1000),
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )
    never_create_topics(client)
    return client


def make_member(bootstrap: str, group: str, *, session_s: float, rebalance_s: float) -> AIOKafkaConsumer:
    """A consumer in a group, subscribed to nothing yet. Not started."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 100),  # also how soon it hears of a rebalance
        rebalance_timeout_ms=int(rebalance_s * 1000),
        request_timeout_ms=int((rebalance_s + REQUEST_S) * 1000),  # the broker may hold a join for a whole rebalance
        max_poll_interval_ms=NEVER_MS,
        partition_assignment_strategy=(RangePartitionAssignor,),  # the sticky one keeps its state in its class
        **_consumer_settings(),
    )
    never_create_topics(consumer._client)
    return consumer


@asynccontextmanager
async def reading(bootstrap: str, *, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer that joins no group, for a while. Raises LogUnavailable, also for driver errors inside.

    `group`: whose committed offsets it may be asked for.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        request_timeout_ms=int(REQUEST_S * 1000),
        **_consumer_settings(),
    )
    never_create_topics(consumer._client)
    try:
        with driver_errors_translated():
            await consumer.start()
            decode_batches_here(consumer)
            yield consumer
    finally:
        await discard_consumer(consumer)


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> Sequence[int]:
    """The numbers of a topic's partitions, in order; none where there is no such topic. Raises the driver's errors."""
    cluster = await consumer._client.fetch_all_metadata()
    return sorted(cluster.partitions_for_topic(topic) or ())


def _consumer_settings() -> dict[str, Any]:
    return {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "max_partition_fetch_bytes": FETCH_PARTITION_BYTES,
        "fetch_max_bytes": FETCH_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
    }


def never_create_topics(client: AIOKafkaClient) -> None:
    """Make an AIOKafkaClient ask about all topics at once, where it would name those it wants.

    A named topic that is not there is created by brokers that allow it, which is their default, without LogAppendTime.
    """
    update = client._metadata_update

    async def update_all(cluster: ClusterMetadata, _topics: object) -> bool:
        return bool(await update(cluster, None))

    client._metadata_update = update_all


def decode_batches_here(consumer: AIOKafkaConsumer) -> None:
    """Make a consumer, started and without partitions yet, give what kafka_batches makes of the bytes it fetched.

    Its records have offset, timestamp, key, value and headers, as aiokafka's own.
    """
    consumer._fetcher._records = FetchedRecords()
    send = consumer._client.send

    async def send_patiently(node: int, request: Request, **how: object) -> Response:
        answer = await send(node, request, **how)
        if isinstance(request, FetchRequest) and _says_corrupt(answer):
            await asyncio.sleep(CORRUPT_WAIT_S)
        return answer

    consumer._client.send = send_patiently


def _says_corrupt(answer: Response) -> bool:
    """Whether a broker could not read its own log to answer a fetch: aiokafka asks again at once, for ever."""
    return any(code == CorruptRecordException.errno for _, found in answer.topics for _, code, *_ in found)


fetcher.MemoryRecords = RecordSet  # the module makes one of each answer; for other consumers it is what it was


class FetchedRecords(OrderedDict[TopicPartition, Any]):
    """What a fetcher holds ready: a FetchResult or a FetchError by partition."""

    def __setitem__(self, partition: TopicPartition, fetched: FetchResult | FetchError) -> None:
        if isinstance(fetched, FetchResult):
            read = fetched._partition_records
            high_watermark = fetched._assignment.state_value(partition).highwater
            fetched._partition_records = read._records.records_from(read.next_fetch_offset, high_watermark)
        super().__setitem__(partition, fetched)


async def discard_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group if there is one, and let go of everything, within a bounded time whatever the broker does."""
    if await _stopped(consumer.stop()):
        return
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = [getattr(coordinator, name, None) for name in names]
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]
    await _cancelled(task for task in tasks if task is not None)
    await _stopped(consumer._client.close())


async def discard_client(client: AIOKafkaClient, stop_s: float = STOP_S) -> None:
    """Let go of the connections, within a bounded time."""
    await _stopped(client.close(), stop_s)


async def _stopped(stopping: Coroutine[Any, Any, None], stop_s: float = STOP_S) -> bool:
    """Whether it ended well in time. A task of its own: aiokafka lets its tasks' cancellations out and takes ours."""
    task = asyncio.ensure_future(stopping)
    try:
        await asyncio.wait({task}, timeout=stop_s)
    finally:
        task.cancel()
    await _cancelled([task])
    if task.done() and not task.cancelled() and task.exception() is None:
        return True
    log.warning("kafka_client_cut_off")
    return False


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait a little: some of aiokafka's tasks await others on their way out."""
    waiting = {task for task in tasks if not task.done()}
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=1.0)
