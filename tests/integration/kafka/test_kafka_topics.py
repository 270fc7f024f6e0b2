from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.topics import (
    AddPartitions,
    AlterSettings,
    CreateTopic,
    TopicRefused,
    TopicState,
    changes,
    dead_topic,
    keys_topic,
    wanted_topics,
)
from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.schemas.timestamps import DAY_MS
from tests.infrastructure.names import fresh


def test_nothing_is_kept_longer_than_the_store_keeps_it() -> None:
    log, dead, _ = wanted_topics("t", partitions=8, replication=1, retention_days=3)
    assert log.settings["retention.ms"] == dead.settings["retention.ms"] == str(3 * DAY_MS)
    log, dead, keys = wanted_topics("t", partitions=8, replication=1, retention_days=365)
    assert (log.settings["retention.ms"], dead.settings["retention.ms"]) == (str(7 * DAY_MS), str(30 * DAY_MS))
    assert (keys.settings["retention.ms"], keys.settings["segment.ms"]) == ("3600000", "600000")


@pytest.mark.parametrize(("replication", "replicas"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_two_replicas_must_have_a_record_where_there_are_three(replication: int, replicas: str) -> None:
    for spec in wanted_topics("t", partitions=8, replication=replication, retention_days=30):
        assert spec.settings["min.insync.replicas"] == replicas


def test_what_is_as_it_should_be_is_left_alone_and_the_operators_settings_stay() -> None:
    spec, _, _ = wanted_topics("t", partitions=8, replication=1, retention_days=30)
    operators = {"max.message.bytes": "2000000"}
    assert changes(spec, None) == [CreateTopic(spec)]
    assert changes(spec, TopicState(8, {**spec.settings, **operators})) == []
    assert changes(spec, TopicState(4, {**spec.settings, **operators, "retention.ms": "1"})) == [
        AddPartitions("t", 8),
        AlterSettings("t", {"retention.ms": spec.settings["retention.ms"]}, {**operators, **spec.settings}),
    ]


def test_partitions_are_never_taken_away() -> None:
    spec, _, _ = wanted_topics("t", partitions=4, replication=1, retention_days=30)
    with pytest.raises(TopicRefused, match="has 8 partitions, and the settings say 4"):
        changes(spec, TopicState(8, spec.settings))


@pytest.mark.servers
class TestOnABroker:
    def admin(self, bootstrap: str, topic: str, partitions: int = 2, retention_days: int = 30) -> KafkaAdmin:
        return KafkaAdmin(
            KafkaConnection(bootstrap), topic, partitions=partitions, replication=1, retention_days=retention_days
        )

    async def test_migrate_makes_the_topics_once(self, kafka_bootstrap: str) -> None:
        topic = fresh("log")
        admin = self.admin(kafka_bootstrap, topic)
        planned = await admin.pending()
        assert [line.split()[:3] for line in planned] == [
            ["create", "topic", topic],
            ["create", "topic", dead_topic(topic)],
            ["create", "topic", keys_topic(topic)],
        ]
        assert await admin.migrate() == planned
        assert await admin.pending() == []
        assert await admin.migrate() == []

    async def test_a_grown_setting_adds_partitions_and_a_changed_one_alters(self, kafka_bootstrap: str) -> None:
        topic = fresh("log")
        await self.admin(kafka_bootstrap, topic).migrate()
        done = await self.admin(kafka_bootstrap, topic, partitions=5, retention_days=2).migrate()
        assert done == [
            f"alter topic {topic} partitions=5",
            f"alter topic {topic} retention.ms={2 * DAY_MS}",
            f"alter topic {dead_topic(topic)} retention.ms={2 * DAY_MS}",
            f"alter topic {keys_topic(topic)} partitions=5",
        ]
        with pytest.raises(TopicRefused):
            await self.admin(kafka_bootstrap, topic, partitions=4).migrate()

    async def test_what_an_operator_set_on_the_topic_outlives_a_migration(self, kafka_bootstrap: str) -> None:
        topic = fresh("log")
        await self.admin(kafka_bootstrap, topic).migrate()
        client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await client.start()
        try:
            resource = ConfigResourceType.TOPIC
            await client.alter_configs([ConfigResource(resource, topic, {"max.message.bytes": "2000000"})])
            assert len(await self.admin(kafka_bootstrap, topic).migrate()) == 1  # that call reset ours
            (answer,) = await client.describe_configs([ConfigResource(resource, topic, {"max.message.bytes": ""})])
        finally:
            await client.close()
        assert answer.resources[0][4][0][:2] == ("max.message.bytes", "2000000")

    async def test_many_may_migrate_at_once(self, kafka_bootstrap: str) -> None:
        topic = fresh("log")
        for partitions in (2, 3):
            await asyncio.gather(*(self.admin(kafka_bootstrap, topic, partitions).migrate() for _ in range(4)))
        assert await self.admin(kafka_bootstrap, topic, partitions=3).pending() == []

    async def test_what_the_broker_refuses_is_said_and_not_tried_for_ever(self, kafka_bootstrap: str) -> None:
        admin = KafkaAdmin(
            KafkaConnection(kafka_bootstrap), fresh("log"), partitions=1, replication=3, retention_days=30
        )
        with pytest.raises(TopicRefused, match="InvalidReplicationFactor"):
            await admin.migrate()


async def test_an_absent_broker_is_said_to_be_absent(unused_tcp_port: int) -> None:
    with pytest.raises(LogUnavailable):
        await TestOnABroker().admin(f"127.0.0.1:{unused_tcp_port}", "t").pending()
