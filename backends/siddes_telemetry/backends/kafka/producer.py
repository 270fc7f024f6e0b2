"""An idempotent producer (KIP-98) of single records: one record of a partition is under way at a time, and the records
of several share a request where a broker has two to answer (sender.py).

aiokafka's own producer gathers records into batches and hands each through four tasks. Here the records are batches
already, made by group commit: an append costs half the processor time and answers in two thirds of the time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial

import structlog
from aiokafka import AIOKafkaClient
from aiokafka.errors import (
    DuplicateSequenceNumber,
    KafkaError,
    NoError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import TopicPartition

from siddes_telemetry.backends.kafka.aiokafka_internals import encode_record_batch, init_producer_id
from siddes_telemetry.backends.kafka.connection import REQUEST_S
from siddes_telemetry.backends.kafka.errors import CONNECTION_CLOSED
from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES, ProduceForm
from siddes_telemetry.backends.kafka.sender import Batches, Codes, Sender
from siddes_telemetry.schemas.record import Headers

SEQUENCES = 2**31  # then they begin anew
RETRY_S = 0.1  # between two tries of a record, jittered by half

log = structlog.get_logger(__name__)


class KafkaProducer:
    """One producer's life on a client that is started. After an append that was cancelled or raised a KafkaError make
    another one: the sequence numbers of its partition may have a gap then, and the broker refuses what follows it.
    """

    def __init__(self, client: AIOKafkaClient, topic: str, producer_id: int, epoch: int, rng: random.Random) -> None:
        self.client = client
        self._topic = topic
        self._form = ProduceForm(topic, int(REQUEST_S * 1000))
        self._producer_id = producer_id
        self._epoch = epoch
        self._rng = rng
        self._sequences: defaultdict[int, int] = defaultdict(int)  # by partition: of the next record
        self._lanes: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # by partition: held while one is sent
        self._senders: dict[int, Sender] = {}  # by broker
        self.repeated = 0  # how many times a record went out again
        self._torn: set[int] = set()  # partitions whose last record may have taken its number, or not
        self._under_way = 0
        self._idle = asyncio.Event()
        self._finished = False

    @classmethod
    async def begin(cls, client: AIOKafkaClient, topic: str, rng: random.Random) -> KafkaProducer:
        """One with an id of the broker's. Raises KafkaError."""
        producer_id, epoch = await init_producer_id(client)
        return cls(client, topic, producer_id, epoch, rng)

    async def append(self, partition: int, value: bytes, headers: Headers, key: bytes | None) -> None:
        """Return once the log has it; it is never given up while brokers are away or busy.

        Raises ValueError where it is larger than a request, KafkaError where the broker will never take it or this
        producer is finished. Where it is cancelled, the log may have the record all the same.
        """
        self._under_way += 1
        try:
            async with self._lanes[partition]:
                if partition in self._torn:
                    raise KafkaError("the record before this one was given up")
                batch = encode_record_batch(
                    self._producer_id,
                    self._epoch,
                    self._sequences[partition],
                    created_ms=int(time.time() * 1000),
                    key=key,
                    value=value,
                    headers=list(headers),
                    size_limit=2 * MAX_REQUEST_BYTES,  # the exact limit is checked below
                )
                if len(batch) > MAX_REQUEST_BYTES:
                    raise ValueError("the record is larger than a request may be")
                self._torn.add(partition)
                await self._send_until_taken(partition, batch)
                self._torn.discard(partition)
                self._sequences[partition] = (self._sequences[partition] + 1) % SEQUENCES
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def finish(self, patience_s: float) -> None:
        """Wait for what is under way; what is not answered by then fails, once the client is closed."""
        self._idle.clear()
        if self._under_way:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._idle.wait()
        self._finished = True
        for sender in self._senders.values():
            await sender.close()

    def _sender(self, leader: int) -> Sender:
        if leader not in self._senders:
            self._senders[leader] = Sender(partial(self._ask, leader), lambda each: self._leader(each) == leader)
        return self._senders[leader]

    async def _ask(self, broker: int, batches: Batches) -> Codes:
        if self._finished:  # the client is closed, or will be now: it would connect again
            raise KafkaError("finished")
        codes: Codes = await self.client.send(broker, self._form.request(batches))
        return codes

    def _leader(self, partition: int) -> int | None:
        leader: int | None = self.client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
        return leader

    async def _send_until_taken(self, partition: int, batch: bytes) -> None:
        """The very same bytes each time: under its sequence number the broker keeps a batch once."""
        while not self._finished:
            leader = self._leader(partition)
            if leader is None or leader < 0:
                error: BaseException = UnknownTopicOrPartitionError()
            else:
                try:
                    code = await self._sender(leader).send(partition, batch)
                    if code in (NoError.errno, DuplicateSequenceNumber.errno):
                        return
                    raise for_code(code)
                except (KafkaError, OSError, CONNECTION_CLOSED) as raised:
                    if isinstance(raised, KafkaError) and not raised.retriable:
                        raise
                    error = raised
            self.repeated += 1
            log.debug("append_repeated", partition=partition, error=type(error).__name__)
            self.client.force_metadata_update()  # the leader may be another one by now
            await asyncio.sleep(self._rng.uniform(RETRY_S / 2, RETRY_S))
        raise KafkaError("finished")
