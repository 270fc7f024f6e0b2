"""Simulated brokers that fall silent and wake up, and the part of AIOKafkaClient that the producer uses on them.

A silent broker keeps in its socket buffer what was sent to it. When it wakes up, it works that off: as a leader, if it
is one again by then; or as one that does not know yet that it is none, and then what it writes is never acknowledged
and is cut off (KIP-101). A leader drops what it has under the same producer id and sequence number (KIP-98): it knows
the last five of each producer and partition, and refuses what neither follows the last nor is one of them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
)

from siddes_telemetry.backends.kafka.aiokafka_internals import DefaultRecordBatch
from siddes_telemetry.backends.kafka.producer import SEQUENCES

BROKERS = 3
PARTITIONS = 4
SESSION_S = 3.0  # a broker that is silent for so long loses its leaderships
UNAWARE_S = 0.01  # how long a broker that wakes up does not know what has happened
REMEMBERED = 5  # sequence numbers of a producer and partition
PATIENCE_S = 10.0  # of a request without an answer
WATCH_S = 1.0  # how often the client asks for metadata while a request waits
LATENCIES_S = (0.0005, 0.001, 0.004, 0.03, 0.4)
PAUSES_S = (0.5, 2.0, 3.5, 8.0, 30.0)

Batches = Mapping[int, bytes]


class Broker:
    """`stale`: the partitions that it believes to lead, since it last heard from the others."""

    def __init__(self) -> None:
        self.silent = False
        self.socket_buffer: list[Callable[[], None]] = []
        self.stale: set[int] = set()


class Client:
    """The part of AIOKafkaClient that the producer uses, on brokers of which it knows what the last metadata said."""

    def __init__(self, brokers: Brokers) -> None:
        self.cluster = self
        self._brokers = brokers
        self._known = list(brokers.leaders)
        self._waiting: dict[asyncio.Future[dict[int, int]], tuple[int, Batches]] = {}

    def leader_for_partition(self, place: TopicPartition) -> int:
        partition: int = place.partition
        return self._known[partition]

    def force_metadata_update(self) -> None:
        asyncio.get_running_loop().call_later(self._brokers.latency_s(), self._learn)

    async def send(self, broker: int, batches: Batches) -> dict[int, int]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[int, int]] = loop.create_future()
        self._waiting[answer] = (broker, batches)
        self._brokers.arrive(broker, lambda: self._brokers.serve(broker, batches, answer))
        deadline = loop.time() + PATIENCE_S
        try:
            while not (await asyncio.wait({answer}, timeout=WATCH_S))[0]:
                self.force_metadata_update()
                if loop.time() > deadline:
                    raise RequestTimedOutError
            return answer.result()
        finally:
            del self._waiting[answer]

    def cut(self, broker: int) -> None:
        """The connection breaks; what was sent is on its way."""
        for answer, (asked, _) in self._waiting.items():
            if asked == broker and not answer.done():
                answer.set_exception(KafkaConnectionError())

    def _learn(self) -> None:
        """New metadata. What waits at a broker that leads none of it is not waited for any longer."""
        self._known = list(self._brokers.leaders)
        for broker in range(BROKERS):
            asked = [batches for number, batches in self._waiting.values() if number == broker]
            if asked and not any(self._known[partition] == broker for batches in asked for partition in batches):
                self.cut(broker)


class Brokers:
    """The leaders and the log of every partition."""

    def __init__(self, rng: random.Random) -> None:
        self.leaders = [rng.randrange(BROKERS) for _ in range(PARTITIONS)]
        self.logs: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.counts: Counter[str] = Counter()  # what happened
        self._brokers = [Broker() for _ in range(BROKERS)]
        self._sequences: defaultdict[tuple[int, int], deque[int]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._rng = rng

    def latency_s(self) -> float:
        return self._rng.choice(LATENCIES_S)

    def arrive(self, number: int, serve: Callable[[], None]) -> None:
        """A request reaches this broker, or its socket buffer."""

        def deliver() -> None:
            broker = self._brokers[number]
            if broker.silent:
                broker.socket_buffer.append(serve)
            else:
                serve()

        asyncio.get_running_loop().call_later(self.latency_s(), deliver)

    def serve(self, number: int, batches: Batches, answer: asyncio.Future[dict[int, int]]) -> None:
        """The broker works off a Produce request."""
        codes = {partition: self._append(number, partition, batch) for partition, batch in batches.items()}
        delay_s = self.latency_s()
        if self._brokers[number].stale & batches.keys():
            self.counts["written to a leader that is none"] += 1
            delay_s += 1.0  # not acknowledged; it hears from the others by then
        if self._rng.random() < 0.05:
            self.counts["answer lost"] += 1
            return
        asyncio.get_running_loop().call_later(delay_s, _set, answer, codes)

    def _append(self, number: int, partition: int, batch: bytes) -> int:
        if self.leaders[partition] != number:
            return int(NotLeaderForPartitionError.errno)
        parsed = DefaultRecordBatch(batch)
        known = self._sequences[parsed.producer_id, partition]
        if parsed.base_sequence in known:
            self.counts["a repeated batch dropped"] += 1
            return 0
        if known and parsed.base_sequence != (known[-1] + 1) % SEQUENCES:
            self.counts["refused for its sequence number"] += 1
            return int(OutOfOrderSequenceNumber.errno)
        known.append(parsed.base_sequence)
        self.logs[partition] += [record.value for record in parsed]
        return 0

    def fall_silent(self, number: int) -> None:
        """For some time: its leaderships move if it is longer than a session."""
        broker = self._brokers[number]
        if broker.silent or sum(each.silent for each in self._brokers) == BROKERS - 1:
            return
        self.counts["broker silent"] += 1
        broker.silent = True
        loop = asyncio.get_running_loop()
        loop.call_later(SESSION_S, self._fence, number)
        loop.call_later(self._rng.choice(PAUSES_S), self.wake, number)

    def wake(self, number: int) -> None:
        broker = self._brokers[number]
        broker.silent = False
        waiting, broker.socket_buffer = broker.socket_buffer, []
        self.counts["worked off after the silence"] += len(waiting)
        loop = asyncio.get_running_loop()
        for serve in waiting:
            loop.call_later(self.latency_s(), serve)
        loop.call_later(UNAWARE_S, broker.stale.clear)

    def lead(self, partition: int, number: int) -> None:
        """An election."""
        if not self._brokers[number].silent:
            self.counts["leader moved"] += 1
            self.leaders[partition] = number

    def _fence(self, number: int) -> None:
        """Move the leaderships of a broker that is silent still. One that fell silent anew is fenced early."""
        broker = self._brokers[number]
        live = [each for each in range(BROKERS) if not self._brokers[each].silent]
        if broker.silent and live:
            broker.stale = {partition for partition, leader in enumerate(self.leaders) if leader == number}
            for partition in broker.stale:
                self.lead(partition, self._rng.choice(live))


def _set(answer: asyncio.Future[dict[int, int]], codes: dict[int, int]) -> None:
    if not answer.done():  # the client has not given it up
        answer.set_result(codes)
