"""The key journal: a topic beside the log, with the same partitions."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator

import structlog
from aiokafka import TopicPartition

from siddes_telemetry.backends.journal_queue import JournalMetrics, JournalQueue
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics
from siddes_telemetry.backends.kafka.range_reads import read_range
from siddes_telemetry.backends.kafka.topics import keys_topic
from siddes_telemetry.backends.ports.errors import LogUnavailable, RecordsGone

BROKERS_SKEW_MS = 60_000  # how far two brokers' clocks may be apart: notes beyond it are missed, and the log is read
PATIENCE_ROUNDS = 5  # of a second each, without progress; then the log is read instead
CLOSE_S = 1.0  # for closing: notes written in time are acknowledged by then

log = structlog.get_logger(__name__)


class KafkaJournal:
    """A KeyJournal. Connects at the first note."""

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        *,
        metrics: JournalMetrics,
        appender_metrics: KafkaAppenderMetrics,
        rng: random.Random,
    ) -> None:
        self._connection = connection
        self._topic = keys_topic(topic)
        self._appender = KafkaAppender(connection, self._topic, 1, metrics=appender_metrics, rng=rng, close_s=CLOSE_S)
        self._started = False
        self._queue = JournalQueue(self._append_note, metrics)

    def append(self, partition: int, note: bytes) -> None:
        self._queue.put(partition, note)

    async def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        key = TopicPartition(self._topic, partition)
        async with self._connection.reading_consumer(self._topic) as consumer:
            if self._topic not in await consumer.topics():
                log.warning("journal_missing", partition=partition, remedy="run migrate")
                return
            found = (await consumer.offsets_for_times({key: max(0, since_ms - BROKERS_SKEW_MS)}))[key]
            end = (await consumer.end_offsets([key]))[key]
        if found is None:
            return
        try:
            async for piece in read_range(self._connection, key, found.offset, end, patience_rounds=PATIENCE_ROUNDS):
                for record in piece:
                    yield record.value or b""
        except RecordsGone:
            raise LogUnavailable("the journal no longer has the notes that were being read") from None

    async def close(self) -> None:
        """Write what is queued, as far as the broker still answers, and release everything."""
        await self._queue.close()
        await self._appender.close()

    async def _append_note(self, partition: int, note: bytes) -> None:
        if not self._started:
            self._started = True
            await self._appender.start()
        await self._appender.append(partition, note, ())
