"""A broker with a policy, as managed ones have: what it refuses is said, and the rest is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.topics import TopicRefused, topic_names
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS
from tests.infrastructure import kafka_policy
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import topic_settings

REFUSED = {  # by the beginning of the topic's name
    "managed": ("segment.bytes", "segment.ms", "compression.type", "min.insync.replicas"),
    "clockless": ("message.timestamp.type",),
    "forever": ("retention.ms",),
    "closed": ("replication.factor",),
}


@pytest.fixture(scope="module")
def refusing(kafka_jars: Path, java_compiler: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {
        **kafka_policy.settings(REFUSED),
        "auto.create.topics.enable": "true",
        "log.retention.ms": str(20 * DAY_MS),
    }
    classes = kafka_policy.compiled(java_compiler, kafka_jars, tmp_path_factory.mktemp("classes"))
    folder = tmp_path_factory.mktemp("refusing")
    with LocalKafka(jars=kafka_jars, folder=folder, settings=settings, classes=classes) as broker:
        yield broker.bootstrap


def admin(bootstrap: str, topic: str, *, retention_days: int = 30) -> KafkaAdmin:
    return KafkaAdmin(KafkaConnection(bootstrap), topic, partitions=2, replication=None, retention_days=retention_days)


async def names_of_topics(bootstrap: str) -> set[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        return set(await client.list_topics())
    finally:
        await client.close()


async def test_settings_that_the_broker_refuses_are_said_and_the_rest_is_done(refusing: str) -> None:
    topic = fresh("managed")
    keys = f"{topic}.keys"
    planned = await admin(refusing, topic).pending()
    assert f"segment.bytes={16 * 1024 * 1024}" in planned.steps[2]
    assert not await names_of_topics(refusing) & {*topic_names(topic)}, "a look made a topic"
    done = await admin(refusing, topic).migrate()
    assert len(done.steps) == 3
    assert "LogAppendTime" in done.steps[0]
    assert not [name for name in REFUSED["managed"] if name in "".join(done.steps)]
    refused = [note.split(": the broker refuses it (PolicyViolationError). ")[0] for note in done.notes]
    assert refused == [
        f"topic {name} is without {setting}"
        for name in topic_names(topic)
        for setting in (
            f"segment.ms={HOUR_MS // 6 if name == keys else DAY_MS}",
            *((f"segment.bytes={16 * 1024 * 1024}",) if name == keys else ()),
        )
    ], "compression.type and min.insync.replicas are as wanted by default"
    assert (await topic_settings(refusing, keys))["retention.bytes"] == str(64 * 1024 * 1024)
    again = await admin(refusing, topic).migrate()
    assert (again.steps, again.notes) == ([], done.notes)


async def test_a_topic_is_not_made_without_the_brokers_clock(refusing: str) -> None:
    topic = fresh("clockless")
    with pytest.raises(TopicRefused, match=r"refuses to create.* message\.timestamp\.type=LogAppendTime: "):
        await admin(refusing, topic).migrate()
    assert topic not in await names_of_topics(refusing)


async def test_a_topic_made_by_others_is_not_used_with_another_clock(refusing: str) -> None:
    topic = fresh("clockless")
    client = AIOKafkaAdminClient(bootstrap_servers=refusing)
    await client.start()
    try:
        await client.create_topics([NewTopic(topic, 2, 1)])
    finally:
        await client.close()
    with pytest.raises(TopicRefused, match=r"is without message\.timestamp\.type=LogAppendTime: .*refuses it"):
        await admin(refusing, topic).migrate()


async def test_a_refused_retention_counts_only_where_records_would_outlive_the_counts(refusing: str) -> None:
    done = await admin(refusing, fresh("forever"), retention_days=20).migrate()
    assert len(done.steps) == 3
    with pytest.raises(TopicRefused, match=rf"without retention\.ms={7 * DAY_MS}"):
        await admin(refusing, fresh("forever"), retention_days=19).migrate()


async def test_a_topic_that_the_policy_refuses_as_a_whole_names_the_settings_of_its_size(refusing: str) -> None:
    with pytest.raises(TopicRefused, match=r"PolicyViolation.*2 partitions, replication factor 1.*_REPLICATION"):
        await admin(refusing, fresh("closed")).migrate()
