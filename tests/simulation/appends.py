"""Appends of the product's producer to simulated brokers, under random faults in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

from aiokafka.errors import KafkaError

from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient
from siddes_telemetry.backends.kafka.producer import KafkaProducer
from tests.simulation.append_brokers import BROKERS, PARTITIONS, Batches, Brokers, Client
from tests.simulation.invariants import Broken, NoProgress

STEPS = 60
SETTLED_S = 60.0  # of virtual time: what is not answered by then hangs
WAITS_S = (0.001, 0.01, 0.1, 0.5, 1.0, 4.0, 12.0)


class Unencoded:
    """Requests that are what they are made of."""

    def request(self, batches: Batches) -> Batches:
        return batches


class AppendSchedule:
    """The appends and faults of one seed. A session is replaced at its first failure, as appender.py does."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.brokers = Brokers(self._rng)
        self._client = Client(self.brokers)
        self._sessions: list[KafkaProducer] = []
        self._appends: list[asyncio.Task[None]] = []
        self._answered: list[set[bytes]] = [set() for _ in range(PARTITIONS)]

    async def run(self) -> None:
        """Raises Broken if an answered record is not in the log once, or the log has any record twice."""
        self._begin_session()
        acts = {self._append: 30, self._wait: 24, self._silence: 4, self._elect: 3, self._cut: 3, self._cancel: 2}
        for act in self._rng.choices(list(acts), list(acts.values()), k=STEPS):
            await act()
        for number in range(BROKERS):
            self.brokers.wake(number)
        _, hanging = await asyncio.wait(self._appends, timeout=SETTLED_S)
        if hanging:
            raise NoProgress("an append hangs")
        await asyncio.sleep(SETTLED_S)
        for each in self._appends:
            if not each.cancelled():
                each.result()
        for log, answered in zip(self.brokers.logs, self._answered, strict=True):
            if len(log) != len(set(log)):
                raise Broken("a record is in the log twice")
            if not answered <= set(log):
                raise Broken("an answered record is missing")

    def _begin_session(self) -> None:
        producer = KafkaProducer(cast("KafkaClient", self._client), "log", len(self._sessions), 0, self._rng)
        producer._encoder = cast("Any", Unencoded())
        self._sessions.append(producer)

    async def _append(self) -> None:
        value, partition = b"%d" % len(self._appends), self._rng.randrange(PARTITIONS)
        self._appends.append(asyncio.ensure_future(self._append_value(self._sessions[-1], partition, value)))
        await asyncio.sleep(0)

    async def _append_value(self, session: KafkaProducer, partition: int, value: bytes) -> None:
        try:
            await session.append(partition, value, (), None)
        except (KafkaError, asyncio.CancelledError):
            if session is self._sessions[-1]:
                self._begin_session()
            return
        self._answered[partition].add(value)

    async def _wait(self) -> None:
        await asyncio.sleep(self._rng.choice(WAITS_S))

    async def _silence(self) -> None:
        self.brokers.fall_silent(self._rng.randrange(BROKERS))

    async def _elect(self) -> None:
        self.brokers.lead(self._rng.randrange(PARTITIONS), self._rng.randrange(BROKERS))

    async def _cut(self) -> None:
        self._client.cut(self._rng.randrange(BROKERS))

    async def _cancel(self) -> None:
        if self._appends:
            self._rng.choice(self._appends).cancel()
