"""The key journal while its topic is missing or its broker is away. The contract suite has the rest."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.topics import keys_topic
from siddes_telemetry.backends.ports.errors import LogUnavailable
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import WAIT_S, make_topic, opened_journal, until

DROPPED = "siddes_journal_notes_dropped_total"
NOTES = "siddes_journal_notes_total"


async def notes_in(journal: KafkaJournal, partition: int = 0) -> list[bytes]:
    return [note async for note in journal.notes(partition, 0)]


@pytest.mark.servers
async def test_before_migrate_there_are_no_notes_and_those_left_are_dropped(kafka_bootstrap: str) -> None:
    registry, topic = CollectorRegistry(), fresh("log")
    async with opened_journal(kafka_bootstrap, topic, registry) as journal:
        assert await notes_in(journal) == []
        journal.append(0, b"lost")
        await until(lambda: registry.get_sample_value(DROPPED, {"reason": "missing"}) == 1)
        await make_topic(kafka_bootstrap, topic)
        async with asyncio.timeout(WAIT_S):
            while not await notes_in(journal):
                journal.append(0, b"kept")
        assert set(await notes_in(journal)) == {b"kept"}


@pytest.mark.servers
async def test_what_is_queued_at_the_end_is_left(kafka_bootstrap: str, topic: str) -> None:
    async with opened_journal(kafka_bootstrap, topic, CollectorRegistry()) as journal:
        for number in range(20):
            journal.append(1, b"%d" % number)
    async with opened_journal(kafka_bootstrap, topic, CollectorRegistry()) as journal:
        assert await notes_in(journal, 1) == [b"%d" % number for number in range(20)]


@pytest.mark.servers
async def test_a_journal_deleted_under_a_consumer_is_no_defect(kafka_bootstrap: str, topic: str) -> None:
    registry = CollectorRegistry()
    async with opened_journal(kafka_bootstrap, topic, registry) as journal:
        journal.append(0, b"gone")
        await until(lambda: registry.get_sample_value(NOTES) == 1)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([keys_topic(topic)])
        finally:
            await admin.close()
        assert await notes_in(journal) == []


async def test_without_a_broker_notes_are_dropped_and_asking_says_so(unused_tcp_port: int) -> None:
    registry = CollectorRegistry()
    async with asyncio.timeout(20), opened_journal(f"127.0.0.1:{unused_tcp_port}", "t", registry) as journal:
        journal.append(0, b"lost")
        with pytest.raises(LogUnavailable):
            await notes_in(journal)
    assert registry.get_sample_value(DROPPED, {"reason": "closed"}) == 1
