"""An idempotent producer (KIP-98) of single records: one session with a producer id and sequence numbers from 0.

Per partition one record is in flight at a time; records of several partitions share a request where a broker already
has two to answer (sender.py).

    partition  event                                next      does
    READY      append                               SENDING   encodes the record with the next sequence number
    SENDING    acknowledged, or a known duplicate   READY     takes the sequence number as used; append returns
    SENDING    no answer, or a retriable error      SENDING   sends the same bytes again after RETRY_S
    SENDING    another error, or append cancelled   IN_DOUBT  append raises
    IN_DOUBT   append                               IN_DOUBT  raises: whether the number is used is not known

The broker rejects what follows a gap in the sequence numbers, so a session with a partition IN_DOUBT is to be replaced
(appender.py does). A resent record has its old sequence number: the broker keeps it once.

aiokafka's own producer gathers records into record batches and passes each through four tasks. Here a record is a batch
already, made by group commit: an append costs half the processor time and is answered in two thirds of the time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import (
    DuplicateSequenceNumber,
    KafkaError,
    NoError,
    UnknownTopicOrPartitionError,
    for_code,
)

from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient
from siddes_telemetry.backends.kafka.aiokafka_internals import encode_record_batch, init_producer_id
from siddes_telemetry.backends.kafka.connection import REQUEST_S
from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES, ProduceEncoder
from siddes_telemetry.backends.kafka.sender import Batches, Codes, Sender
from siddes_telemetry.schemas.record import Headers

SEQUENCES = 2**31  # sequence numbers wrap here
RETRY_S = 0.1  # between two tries of a record, jittered by half

log = structlog.get_logger(__name__)


class _Partition:
    """The state of a partition. It is READY while `lock` is free and `in_doubt` is false."""

    __slots__ = ("in_doubt", "lock", "sequence")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()  # held while SENDING
        self.sequence = 0  # of the next record
        self.in_doubt = False  # set while SENDING as well: the number may be used by then


class KafkaProducer:
    """One session, on a started client. Replace it after an append that was cancelled or raised a KafkaError."""

    def __init__(self, client: KafkaClient, topic: str, producer_id: int, epoch: int, rng: random.Random) -> None:
        self.client = client
        self._topic = topic
        self._encoder = ProduceEncoder(topic, int(REQUEST_S * 1000))
        self._producer_id = producer_id
        self._epoch = epoch
        self._rng = rng
        self._partitions: defaultdict[int, _Partition] = defaultdict(_Partition)
        self._senders: dict[int, Sender] = {}  # by broker
        self.resent = 0  # how many times a record was sent again
        self._appending = 0
        self._idle = asyncio.Event()
        self._finished = False

    @classmethod
    async def begin(cls, client: KafkaClient, topic: str, rng: random.Random) -> KafkaProducer:
        """A session with a producer id of the broker's. Raises KafkaError."""
        producer_id, epoch = await init_producer_id(client)
        return cls(client, topic, producer_id, epoch, rng)

    async def append(self, partition: int, value: bytes, headers: Headers, key: bytes | None) -> None:
        """Return once the log has the record. It is resent without a limit while brokers are away or busy.

        Raises ValueError if it is larger than a request, KafkaError if the broker will never accept it or this session
        is finished. If it is cancelled, the log may get the record all the same.
        """
        self._appending += 1
        state = self._partitions[partition]
        try:
            async with state.lock:
                if state.in_doubt:
                    raise KafkaError("the record before this one was given up")
                batch = encode_record_batch(
                    self._producer_id,
                    self._epoch,
                    state.sequence,
                    created_ms=int(time.time() * 1000),
                    key=key,
                    value=value,
                    headers=list(headers),
                    size_limit=2 * MAX_REQUEST_BYTES,  # the exact limit is checked below
                )
                if len(batch) > MAX_REQUEST_BYTES:
                    raise ValueError("the record is larger than a request may be")
                state.in_doubt = True
                await self._send_until_accepted(partition, batch)
                state.in_doubt = False
                state.sequence = (state.sequence + 1) % SEQUENCES
        finally:
            self._appending -= 1
            if not self._appending:
                self._idle.set()

    async def finish(self, patience_s: float) -> None:
        """Wait for the appends in flight; those not answered by then fail once the client is closed."""
        self._idle.clear()
        if self._appending:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._idle.wait()
        self._finished = True
        for sender in self._senders.values():
            await sender.close()

    def _sender(self, leader: int) -> Sender:
        if leader not in self._senders:
            self._senders[leader] = Sender(partial(self._request, leader), lambda each: self._leader(each) == leader)
        return self._senders[leader]

    async def _request(self, broker: int, batches: Batches) -> Codes:
        if self._finished:  # the client is closed, or is about to be: it would connect again
            raise KafkaError("finished")
        codes: Codes = await self.client.send(broker, self._encoder.request(batches))
        return codes

    def _leader(self, partition: int) -> int | None:
        leader: int | None = self.client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
        return leader

    async def _send_until_accepted(self, partition: int, batch: bytes) -> None:
        """Send the same bytes each time: the broker keeps a record batch once under its sequence number."""
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
                except (KafkaError, OSError) as raised:
                    if isinstance(raised, KafkaError) and not raised.retriable:
                        raise
                    error = raised
            self.resent += 1
            log.debug("append_repeated", partition=partition, error=type(error).__name__)
            self.client.force_metadata_update()  # the leader may have moved
            await asyncio.sleep(self._rng.uniform(RETRY_S / 2, RETRY_S))
        raise KafkaError("finished")
