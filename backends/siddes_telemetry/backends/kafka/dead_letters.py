"""Dead letters in a topic beside the log. The key of each is the partition and offset that it comes from.

A consumer that dies before it commits leaves its dead letters to be appended again, as second records under the same
keys. Reading keeps the first.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence

import structlog
from aiokafka import TopicPartition

from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.fetched_records import FetchedRecord
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics
from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES
from siddes_telemetry.backends.kafka.range_reads import read_range
from siddes_telemetry.backends.kafka.topics import DEAD_PARTITIONS, dead_topic
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable, RecordsGone
from siddes_telemetry.backends.ports.log import DeadLetter, DeadLetterEntry
from siddes_telemetry.schemas.record import BAD_REASONS, Headers

APPEND_S = 30.0  # then the caller retries, or gives the partition up
OVERHEAD_BYTES = 100  # for each header, and for the record: lengths, offsets, our own headers
HEADER_REASON, HEADER_SIZE = "reason", "size"
ORIGINAL = "original-"  # prefix of the names of the record's own headers

_KEY = re.compile(rb"([0-9]{1,10}):([0-9]{1,19})")
_SIZE = re.compile(rb"[0-9]{1,10}")

log = structlog.get_logger(__name__)


class KafkaDeadLetters:
    """A DeadLetters. Connects at the first letter."""

    def __init__(
        self, connection: KafkaConnection, topic: str, *, metrics: KafkaDeadLetterMetrics, rng: random.Random
    ) -> None:
        self._connection = connection
        self._partition = TopicPartition(dead_topic(topic), 0)
        self._appender = KafkaAppender(connection, self._partition.topic, DEAD_PARTITIONS, metrics=metrics, rng=rng)
        self._metrics = metrics
        self._started = False

    async def append(self, letter: DeadLetter) -> None:
        if not self._started:
            self._started = True
            await self._appender.start()
        value, headers = letter_record(letter)
        key = b"%d:%d" % (letter.partition, letter.offset)
        try:
            async with asyncio.timeout(APPEND_S):
                await self._appender.append(self._partition.partition, value, headers, key=key)
        except TimeoutError:
            raise LogUnavailable("the dead letter was not acknowledged") from None
        if letter.value and not value:
            self._metrics.emptied.inc()
            log.error("dead_letter_emptied", partition=letter.partition, offset=letter.offset, size=len(letter.value))

    async def entries(self) -> Sequence[DeadLetterEntry]:
        async with self._connection.reading_consumer(self._partition.topic) as consumer:
            if self._partition.topic not in await consumer.topics():
                raise LogMissing("the topic of the dead letters is missing: run migrate")
            first = (await consumer.beginning_offsets([self._partition]))[self._partition]
            end = (await consumer.end_offsets([self._partition]))[self._partition]
        found: dict[tuple[int, int], DeadLetterEntry] = {}
        try:
            async for piece in read_range(self._connection, self._partition, first, end):
                for record in piece:
                    if (entry := letter_entry(record)) is not None:
                        found.setdefault((entry.partition, entry.offset), entry)
        except RecordsGone:
            raise LogUnavailable("the topic no longer has the dead letters that were being read") from None
        return [entry for _, entry in sorted(found.items())]

    async def close(self) -> None:
        """Wait for the appends in flight, as far as the log still answers, and release everything."""
        await self._appender.close()


def letter_record(letter: DeadLetter) -> tuple[bytes, Headers]:
    """(value, headers) of the record that keeps a letter. A letter too large for a request keeps only its size."""
    own = ((HEADER_REASON, letter.reason.encode("ascii")), (HEADER_SIZE, b"%d" % len(letter.value)))
    original = tuple((ORIGINAL + name, value) for name, value in letter.headers)
    size = len(letter.value) + sum(len(name.encode()) + len(value) for name, value in original)
    if size + OVERHEAD_BYTES * (len(original) + 1) > MAX_REQUEST_BYTES:
        return b"", own
    return letter.value, own + original


def letter_entry(record: FetchedRecord) -> DeadLetterEntry | None:
    """The entry of a letter's record, or None (and a log line) if another program wrote the record."""
    place = _KEY.fullmatch(record.key or b"")
    headers = dict(record.headers)
    reason = (headers.get(HEADER_REASON) or b"").decode("ascii", "replace")
    size = headers.get(HEADER_SIZE) or b""
    if place is None or reason not in BAD_REASONS or _SIZE.fullmatch(size) is None:
        log.warning("dead_letter_unknown", offset=record.offset)
        return None
    return DeadLetterEntry(int(place[1]), int(place[2]), reason, int(size))
