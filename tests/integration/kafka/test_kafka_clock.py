"""Append times that jump, also back, on a real broker: a new owner recognises a repeated batch."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.log_view import open_log_view
from siddes_telemetry.backends.ports.log import KeyJournal
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window import start_search
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.consumer.verify.verifier import LogAndStore, verify
from tests.fakes.consumer_process import CLOCK, DAY_MS, LOG_NAME, MINUTE_MS, REGISTRY, encode, key, one
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryLog
from tests.fakes.memory_store import MemoryStore
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import WAIT_S, make_group_consumer, make_topic, opened_journal

pytestmark = pytest.mark.servers

A_DAY_AHEAD = [(DAY_MS + minute * MINUTE_MS, 0) for minute in range(-12, 0)]  # a leader's clock


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    """One partition, of which the producer says when its records were appended, were it next month."""
    name = fresh("log")
    await make_topic(kafka_bootstrap, name, 1)
    settings = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(30 * DAY_MS)}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])
    finally:
        await admin.close()
    return name


class Scene:
    """A topic, what is stored of it, and one consumer after the other. Times are from the beginning of the test."""

    def __init__(self, bootstrap: str, topic: str, producer: AIOKafkaProducer) -> None:
        self.store = MemoryStore()
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer = producer
        self._began_ms = int(time.time() * 1000)
        self._appended = 0

    async def append(self, at_ms: int, batch: int = 0) -> None:
        """A record: one count of `viewer-a` under this batch, or of CLOCK without one."""
        created_at_ms = self._began_ms + at_ms
        sent = one("viewer-a", created_at_ms, batch=key(batch)) if batch else one(CLOCK, created_at_ms)
        value, headers = encode([sent])
        await self._producer.send_and_wait(
            self._topic, value, headers=list(headers), partition=0, timestamp_ms=created_at_ms
        )
        self._appended += 1

    async def store_all(self, journal: KeyJournal) -> None:
        """By a process of the group that knows nothing of those before it but what the journal says."""
        ctx = ConsumerContext(
            store=self.store,
            dead_letters=MemoryLog().dead_letters,
            journal=journal,
            registry=REGISTRY,
            log_name=LOG_NAME,
            policy=FlushPolicy(max_age_s=0.1),
            clocks=ConsumerClocks(time.monotonic, time.monotonic, lambda: self._began_ms),
            metrics=ConsumerMetrics(CollectorRegistry()),
            rng=random.Random(1),
        )
        consumer = Consumer(make_group_consumer(self._bootstrap, self._topic, self._topic), ctx)
        running = asyncio.ensure_future(consumer.run())
        try:
            async with (
                open_log_view(KafkaConnection(self._bootstrap), self._topic, self._topic) as view,
                asyncio.timeout(WAIT_S),
            ):
                (partition,) = await view.partitions()
                while (committed := await partition.committed()) is None or committed.offset < self._appended:  # noqa: ASYNC110  # the broker has no event for it
                    await asyncio.sleep(0.05)
        finally:
            consumer.stop()
            await running

    def counted(self) -> int:
        """How often the batch was."""
        return sum(row.viewer_id == "viewer-a" for row in self.store.rows)

    async def is_verified(self, hours: float | None) -> bool:
        log_id = await self.store.log_id(LOG_NAME)
        assert log_id is not None
        async with open_log_view(KafkaConnection(self._bootstrap), self._topic, self._topic) as view:
            subject = LogAndStore(view, log_id, self.store, MemoryLog().dead_letters, REGISTRY, retention_days=30)
            report = await verify(
                subject,
                clock_ms=lambda: self._began_ms,
                hours=hours,
                repair=None,
                progress=lambda _done, _total: None,
            )
        return report.ok


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(
    "appended",
    [
        [(0, 1), (3 * DAY_MS, 0)],
        [*A_DAY_AHEAD, (DAY_MS, 1)],
        [*A_DAY_AHEAD, (DAY_MS, 1), (-DAY_MS, 0), (0, 0)],
    ],
    ids=["a record from the future", "another leader after one that was ahead", "a clock that goes back twice"],
)
async def test_a_repeated_batch_is_known_after_a_takeover_and_counts_ten_minutes_later(
    kafka_bootstrap: str,
    topic: str,
    appended: Sequence[tuple[int, int]],
    noted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`appended`: the first records, as (time, batch or none)."""
    monkeypatch.setattr(start_search, "MARGIN_OFFSETS", 0)
    monkeypatch.setattr(start_search, "FIRST_STEP_OFFSETS", 1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        scene = Scene(kafka_bootstrap, topic, producer)
        await scene.store.adopt_log(LOG_NAME)

        async def taken_over() -> None:
            if not noted:
                return await scene.store_all(MemoryJournal())
            async with opened_journal(kafka_bootstrap, topic, CollectorRegistry()) as journal:
                return await scene.store_all(journal)

        for at_ms, batch in appended:
            await scene.append(at_ms, batch)
        await taken_over()
        await scene.append(MINUTE_MS, batch=1)
        await taken_over()
        assert scene.counted() == 1

        for minute in range(2, 12):
            await scene.append(minute * MINUTE_MS)
        await taken_over()
        await scene.append(11 * MINUTE_MS, batch=1)  # a repeat of the repeat
        await taken_over()
        assert scene.counted() == 1

        for minute in range(12, 22):
            await scene.append(minute * MINUTE_MS)
        await scene.append(21 * MINUTE_MS + 1, batch=1)
        await taken_over()
        assert scene.counted() == 2
        assert await scene.is_verified(None)
        assert await scene.is_verified(0.1)
