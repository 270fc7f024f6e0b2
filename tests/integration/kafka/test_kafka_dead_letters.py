from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters, letter_record
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics
from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES
from siddes_telemetry.backends.kafka.range_reads import read_range
from siddes_telemetry.backends.kafka.topics import dead_topic
from siddes_telemetry.backends.ports.errors import LogMissing
from siddes_telemetry.backends.ports.log import DeadLetter, DeadLetterEntry
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import HEADERS, appending, soon

pytestmark = pytest.mark.servers


def make_letters(bootstrap: str, topic: str, registry: CollectorRegistry | None = None) -> KafkaDeadLetters:
    metrics = KafkaDeadLetterMetrics(registry or CollectorRegistry())
    return KafkaDeadLetters(KafkaConnection(bootstrap), topic, metrics=metrics, rng=random.Random(1))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def letters(kafka_bootstrap: str, topic: str, registry: CollectorRegistry) -> AsyncIterator[KafkaDeadLetters]:
    letters = make_letters(kafka_bootstrap, topic, registry)
    yield letters
    await letters.close()


async def kept(bootstrap: str, topic: str) -> Any:
    (piece,) = [
        piece async for piece in read_range(KafkaConnection(bootstrap), TopicPartition(dead_topic(topic), 0), 0, 1)
    ]
    return piece[0]


async def test_entries_are_in_order_and_a_second_copy_is_ignored(letters: KafkaDeadLetters) -> None:
    assert await letters.entries() == []
    for partition, offset, value in ((1, 5, b"bad"), (0, 12, b""), (0, 7, b"worse"), (1, 5, b"again")):
        await soon(letters.append(DeadLetter(partition, offset, "line", value, HEADERS)))
    assert await letters.entries() == [
        DeadLetterEntry(0, 7, "line", 5),
        DeadLetterEntry(0, 12, "line", 0),
        DeadLetterEntry(1, 5, "line", 3),
    ]


async def test_a_letter_keeps_the_bytes_and_headers_it_came_with(
    letters: KafkaDeadLetters, kafka_bootstrap: str, topic: str
) -> None:
    await soon(letters.append(DeadLetter(1, 5, "rows_header", b"\xff\n", HEADERS)))
    record = await kept(kafka_bootstrap, topic)
    assert (record.key, record.value) == (b"1:5", b"\xff\n")
    original = tuple((f"original-{name}", value) for name, value in HEADERS)
    assert tuple(record.headers) == (("reason", b"rows_header"), ("size", b"2"), *original)


@pytest.mark.parametrize("spare", [-1, 0, 2000])
def test_a_letter_never_outgrows_a_request(spare: int) -> None:
    letter = DeadLetter(0, 1, "line", bytes(MAX_REQUEST_BYTES - spare), ())
    value, headers = letter_record(letter)
    assert value == (letter.value if spare == 2000 else b"")
    assert dict(headers)["size"] == b"%d" % len(letter.value)


async def test_the_largest_letters_are_kept_and_listed(letters: KafkaDeadLetters, registry: CollectorRegistry) -> None:
    sizes = [MAX_REQUEST_BYTES - 500, MAX_REQUEST_BYTES + 1]
    for offset, size in enumerate(sizes):
        await soon(letters.append(DeadLetter(0, offset, "line", bytes(size), HEADERS)))
    assert [entry.size for entry in await letters.entries()] == sizes
    assert registry.get_sample_value("siddes_kafka_dead_letters_emptied_total") == 1, "what is not kept is counted"


async def test_what_others_wrote_there_is_left_out(letters: KafkaDeadLetters, kafka_bootstrap: str, topic: str) -> None:
    async with appending(kafka_bootstrap, dead_topic(topic), 1) as stranger:
        await soon(stranger.append(0, b"x", (), key=b"1:1"))
        await soon(stranger.append(0, b"x", (("reason", b"line"), ("size", b"1"))))
        await soon(stranger.append(0, b"x", (("reason", b"\xff"), ("size", b"1")), key=b"1:2"))
    await soon(letters.append(DeadLetter(0, 1, "event", b"x", ())))
    assert await letters.entries() == [DeadLetterEntry(0, 1, "event", 1)]


async def test_without_its_topic_it_says_so(kafka_bootstrap: str) -> None:
    letters = make_letters(kafka_bootstrap, fresh("log"))
    try:
        with pytest.raises(LogMissing):
            await letters.entries()
        with pytest.raises(LogMissing):
            await soon(letters.append(DeadLetter(0, 1, "event", b"x", ())))
    finally:
        await letters.close()
