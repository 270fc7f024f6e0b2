"""Uses of private or undocumented parts of aiokafka 0.14, one by one.

Only modules named aiokafka_* read an underscore attribute of aiokafka or import one of its undocumented modules. When
aiokafka is upgraded, tests/unit/backends/test_aiokafka_internals.py shows which of these parts have changed. Each
docstring says why no public API serves, and what breaks without the function. produce_request.py uses nothing private,
but it implements the interface that aiokafka's connection expects of a request; the same test covers it.
"""
# ruff: noqa: SLF001  # the purpose of this module

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaClient, AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CoordinatorLoadInProgressError, KafkaError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.api import Response
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient

# Re-exported: DefaultRecordBatch parses and checks a batch in C, and decode_varint reads one of its numbers. Without
# them record_batches.py would need a parser of its own, in Python.
__all__ = [
    "DecodedRecords",
    "DefaultRecord",
    "DefaultRecordBatch",
    "GroupCoordinator",
    "RangePartitionAssignor",
    "background_tasks",
    "client_of",
    "commit_offset_once",
    "commit_offsets_of_empty_group",
    "coordinator_of",
    "decode_fetches_with",
    "decode_varint",
    "encode_record_batch",
    "has_failed",
    "init_producer_id",
    "leave_until_answered",
    "members_of_group",
    "partitions_of_topic",
    "under_replicated_partitions",
    "use_client",
]

LEAVE_RETRY_S = 0.1  # while the coordinator moves
MAGIC = 2  # the record batch format that has headers and sequence numbers
NO_COMPRESSION = 0
NO_TRANSACTION_MS = 1  # InitProducerId requires a transaction time-out; it means nothing without a transactional id
NO_GENERATION, NO_MEMBER = -1, ""  # OffsetCommit of somebody who is in no group
NO_RETENTION = -1  # OffsetCommit: the broker's offsets.retention.minutes applies


# --- Connections and metadata ---


def client_of(consumer: AIOKafkaConsumer) -> AIOKafkaClient:
    """The client inside a consumer. It has no public accessor."""
    return consumer._client


def use_client(consumer: AIOKafkaConsumer, client: AIOKafkaClient) -> None:
    """Make a consumer that is not started use this client. It takes none as an argument."""
    consumer._client = client


def under_replicated_partitions(client: AIOKafkaClient, topic: str) -> set[int]:
    """The topic's partitions of which a replica is not in sync, by the metadata at hand; it has no public accessor."""
    partitions = client.cluster._partitions.get(topic, {})
    return {number for number, state in partitions.items() if len(state.isr) < len(state.replicas)}


async def partitions_of_topic(consumer: AIOKafkaConsumer, topic: str) -> Sequence[int]:
    """The numbers of a topic's partitions, in order; none if the topic is missing. Raises the driver's errors.

    The public partitions_for_topic() answers from metadata that may be half a minute old. Without this `verify` could
    miss a partition that was just added.
    """
    cluster = await client_of(consumer).fetch_all_metadata()
    return sorted(cluster.partitions_for_topic(topic) or ())


def background_tasks(consumer: AIOKafkaConsumer) -> list[asyncio.Task[Any]]:
    """The tasks that a consumer runs. stop() waits for them without a limit, and nothing public cancels them.

    Without this a consumer whose broker is away leaves tasks behind that keep its connections and its membership.
    """
    coordinator, fetching = consumer._coordinator, consumer._fetcher
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = [getattr(coordinator, name, None) for name in names]
    if fetching is not None:
        tasks += [fetching._fetch_task, *fetching._pending_tasks]
    return [task for task in tasks if task is not None]


def has_failed(consumer: AIOKafkaConsumer) -> bool:
    """Whether the fetching or the coordination of a started consumer has ended.

    The public API shows such an end only to callers of getmany(), and only that of fetching. Without this a member
    whose coordination died would keep its partitions without heartbeats until a commit fails.
    """
    return bool(consumer._fetcher.error_future.done() or consumer._coordinator._coordination_task.done())


# --- The consumer group ---


class GroupCoordinator(Protocol):
    """The parts of aiokafka's GroupCoordinator that are used here."""

    generation: int
    member_id: str
    coordinator_id: int | None  # the broker that coordinates the group; None if it is unknown or was found dead

    def check_errors(self) -> None: ...

    def coordinator_dead(self) -> None: ...

    async def ensure_coordinator_known(self) -> None: ...

    async def fetch_committed_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Any]: ...

    async def _send_req(self, request: OffsetCommitRequest) -> Response: ...


def coordinator_of(consumer: AIOKafkaConsumer) -> GroupCoordinator:
    """The coordinator of a started consumer. Generation and member id have no public accessor.

    Without them an offset cannot be committed under the generation in which the partition was assigned.
    """
    coordinator: GroupCoordinator = consumer._coordinator
    return coordinator


async def commit_offset_once(
    coordinator: GroupCoordinator,
    partition: TopicPartition,
    offset: int,
    metadata: str,
    *,
    group: str,
    generation: int,
    member_id: str,
) -> int:
    """Send one OffsetCommit request and return the broker's error code. Raises KafkaError if there is no answer.

    The public commit() retries without a limit, shielded from cancellation, under the generation of the moment: -1
    after a reset, which a broker accepts for an empty group. With it a consumer that lost its partition could still
    overwrite the intent of the next owner.
    """
    request = OffsetCommitRequest(
        group, generation, member_id, NO_RETENTION, [(partition.topic, [(partition.partition, offset, metadata)])]
    )
    response = await coordinator._send_req(request)
    ((_, ((_, code),)),) = response.topics
    return int(code)


async def commit_offsets_of_empty_group(
    coordinator: GroupCoordinator, topic: str, offsets: Mapping[int, int], *, group: str
) -> Mapping[int, int]:
    """Send one OffsetCommit request of no member, and return the broker's error codes by partition.

    The broker takes it only while the group has no members, and takes all of it or nothing of it. The public commit()
    retries without a limit, also after an answer that was lost. Raises KafkaError if there is no answer.
    """
    places = [(partition, offset, "") for partition, offset in sorted(offsets.items())]
    request = OffsetCommitRequest(group, NO_GENERATION, NO_MEMBER, NO_RETENTION, [(topic, places)])
    ((_, codes),) = (await coordinator._send_req(request)).topics
    return {int(partition): int(code) for partition, code in codes}


async def members_of_group(consumer: AIOKafkaConsumer, broker: int, group: str) -> tuple[int, int]:
    """The broker's error code, and how many members the group has. `broker` coordinates it. Raises KafkaError.

    The public admin client asks a broker that it looks up by itself, once.
    """
    request = DescribeGroupsRequest([group])
    answer = await client_of(consumer).send(broker, request, group=ConnectionGroup.COORDINATION)
    ((code, _, _, _, _, members, *_),) = answer.groups
    return int(code), len(members)


def leave_until_answered(consumer: AIOKafkaConsumer) -> None:
    """Make stop() of a started consumer send LeaveGroup until a coordinator answers. The caller bounds its time.

    aiokafka sends it once, to the broker that it knows as the coordinator, and then forgets its member id. Without this
    a member that leaves while the coordinator moves stays in the group, and the group waits for it: no other member is
    given a partition until its session has ended.
    """
    coordinator, client = consumer._coordinator, consumer._client

    async def leave() -> None:
        if coordinator.generation <= 0:
            return
        request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        broker: int | None = coordinator.coordinator_id
        while True:
            try:
                if broker is None:
                    broker = await client.coordinator_lookup(CoordinationType.GROUP, coordinator.group_id)
                answer = await client.send(broker, request, group=ConnectionGroup.COORDINATION)
                error = for_code(answer.error_code)
            except KafkaError as raised:
                error = type(raised)
            if not error.retriable:
                return
            if error is not CoordinatorLoadInProgressError:
                broker = None
            await asyncio.sleep(LEAVE_RETRY_S)

    coordinator._maybe_leave_group = leave


# --- Fetching ---

DecodeFetched = Callable[[bytes, int, int], Iterable[Any]]  # (bytes, fetch offset, high watermark)


class _FetchedBytes:
    """The bytes of one partition in a fetch response: replaces aiokafka's MemoryRecords in its fetcher."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        as_aiokafka = MemoryRecords(data)
        self.size_in_bytes = as_aiokafka.size_in_bytes
        self.has_next = as_aiokafka.has_next
        self.next_batch = as_aiokafka.next_batch


fetcher.MemoryRecords = _FetchedBytes  # for consumers that decode_fetches_with has not changed, it works as before


class DecodedRecords(OrderedDict[TopicPartition, Any]):
    """What a fetcher holds ready, a FetchResult or a FetchError by partition, each decoded by `decode`."""

    def __init__(self, decode: DecodeFetched) -> None:
        super().__init__()
        self._decode = decode

    def __setitem__(self, partition: TopicPartition, fetched: FetchResult | FetchError) -> None:
        if isinstance(fetched, FetchResult):
            read = fetched._partition_records
            high_watermark = fetched._assignment.state_value(partition).highwater
            fetched._partition_records = self._decode(read._records.data, read.next_fetch_offset, high_watermark)
            read._records_iterator = None  # it refers to `read`: the bytes would stay until a garbage collection
        super().__setitem__(partition, fetched)


def decode_fetches_with(consumer: AIOKafkaConsumer, decode: DecodeFetched) -> None:
    """Make a consumer, started and without partitions yet, return the records that `decode` makes of fetched bytes.

    `decode` returns an iterable with a `next_fetch_offset`. aiokafka's own decoding has no hook. It raises for a record
    batch that it cannot read, on every fetch, so that one such batch would stop its partition; and it copies each
    record into an object of eleven fields.
    """
    consumer._fetcher._records = DecodedRecords(decode)


# --- Producing ---


async def init_producer_id(client: KafkaClient) -> tuple[int, int]:
    """A new (producer id, epoch) for an idempotent producer (KIP-98). Raises KafkaError.

    The public AIOKafkaProducer keeps its own to itself. Without an id the broker does not drop repeated record batches.
    """
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=NO_TRANSACTION_MS)
    answer = await client.ask_any(request)
    if answer.error_code:
        raise for_code(answer.error_code)
    return answer.producer_id, answer.producer_epoch


def encode_record_batch(
    producer_id: int,
    epoch: int,
    sequence: int,
    *,
    created_ms: int,
    key: bytes | None,
    value: bytes,
    headers: list[tuple[str, bytes]],
    size_limit: int,
) -> bytes:
    """One record as a record batch of an idempotent producer. `size_limit` is in bytes: the builder's limit.

    aiokafka's public producer builds a batch only as part of its own queue, under its own producer id and sequence.
    Without the builder producer.py would need an encoder and a CRC-32C of its own, in Python.
    """
    builder = DefaultRecordBatchBuilder(
        MAGIC,
        NO_COMPRESSION,
        is_transactional=0,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        batch_size=size_limit,
    )
    builder.append(0, created_ms, key, value, headers)
    return bytes(builder.build())
