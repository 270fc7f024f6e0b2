"""`migrate`'s topics on real brokers: one, and three."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from siddes_telemetry.backends.kafka import topic_survey
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.topics import TopicRefused, topic_names
from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.schemas.timestamps import DAY_MS
from tests.infrastructure.kafka_cluster import LocalKafkaCluster
from tests.infrastructure.kafka_view import ClusterView, controller, view
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import WAIT_S, topic_settings

PARTITIONS = 2
IN_ALL = PARTITIONS + 1 + PARTITIONS  # of the log, its dead letters and its key journal


def admin(
    bootstrap: str,
    topic: str,
    *,
    partitions: int = PARTITIONS,
    replication: int | None = None,
    retention_days: int = 30,
) -> KafkaAdmin:
    return KafkaAdmin(
        KafkaConnection(bootstrap), topic, partitions=partitions, replication=replication, retention_days=retention_days
    )


@asynccontextmanager
async def operator(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client of somebody else."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def test_migrate_makes_the_topics_once(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    planned = (await admin(kafka_bootstrap, topic).pending()).steps
    assert [step.splitlines()[0] for step in planned] == [f"create topic {name}" for name in topic_names(topic)]
    done = await admin(kafka_bootstrap, topic).migrate()
    assert (done.steps, done.notes) == (planned, [])
    for again in (await admin(kafka_bootstrap, topic).pending(), await admin(kafka_bootstrap, topic).migrate()):
        assert (again.steps, again.notes) == ([], [])


async def test_a_grown_setting_adds_partitions_and_a_changed_one_alters(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    log, dead, keys = topic_names(topic)
    await admin(kafka_bootstrap, topic).migrate()
    grown = await admin(kafka_bootstrap, topic, partitions=5, retention_days=2).migrate()
    assert grown.steps == [
        f"alter topic {log} partitions=5",
        f"alter topic {log} retention.ms={2 * DAY_MS}",
        f"alter topic {dead} retention.ms={2 * DAY_MS}",
        f"alter topic {keys} partitions=5",
    ]
    with pytest.raises(TopicRefused):
        await admin(kafka_bootstrap, topic, partitions=4).migrate()


async def test_what_an_operator_set_on_a_topic_outlives_a_migration(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    theirs = {"max.message.bytes": "2000000", "retention.ms": str(20 * DAY_MS), "segment.ms": "3600000"}
    ours = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
    async with operator(kafka_bootstrap) as client:
        await client.create_topics([NewTopic(topic, 1, 1, topic_configs=theirs | {"cleanup.policy": "compact"})])
    done = await admin(kafka_bootstrap, topic).migrate()
    assert done.steps[:3] == [
        f"alter topic {topic} partitions={PARTITIONS}",
        f"alter topic {topic} message.timestamp.type=LogAppendTime",
        f"alter topic {topic} cleanup.policy=delete",
    ]
    settings = await topic_settings(kafka_bootstrap, topic)
    assert {name: settings[name] for name in theirs | ours} == theirs | ours


async def test_many_may_migrate_at_once(kafka_bootstrap: str) -> None:
    topic = fresh("log")
    for partitions in (2, 3):
        await asyncio.gather(*(admin(kafka_bootstrap, topic, partitions=partitions).migrate() for _ in range(4)))
    assert (await admin(kafka_bootstrap, topic, partitions=3).pending()).steps == []


async def test_more_replicas_than_brokers_are_refused_by_the_name_of_the_setting(kafka_bootstrap: str) -> None:
    with pytest.raises(TopicRefused, match=r"InvalidReplicationFactor.*SIDDES_TELEMETRY_REPLICATION"):
        await admin(kafka_bootstrap, fresh("log"), replication=3).migrate()


async def test_an_absent_broker_is_said_to_be_absent(unused_tcp_port: int) -> None:
    with pytest.raises(LogUnavailable):
        await admin(f"127.0.0.1:{unused_tcp_port}", "t").pending()


async def test_min_insync_replicas_goes_by_the_replicas_and_an_operators_is_not_lowered(
    kafka_cluster: LocalKafkaCluster,
) -> None:
    topic, bootstrap = fresh("log"), kafka_cluster.bootstrap
    _, dead, keys = topic_names(topic)
    async with operator(bootstrap) as client:
        await client.create_topics(
            [
                NewTopic(topic, PARTITIONS, 3, topic_configs={"min.insync.replicas": "3"}),
                NewTopic(dead, 1, 3, topic_configs={"min.insync.replicas": "1"}),
            ]
        )
    done = await admin(bootstrap, topic, replication=1).migrate()
    assert f"alter topic {dead} min.insync.replicas=2" in done.steps
    of_topics = [(await topic_settings(bootstrap, name))["min.insync.replicas"] for name in (topic, dead, keys)]
    assert of_topics == ["3", "2", "1"]
    (note,) = (await admin(bootstrap, topic, replication=None).migrate()).notes
    assert note.startswith(f"topic {keys} has replication factor 1, and 3 is wanted")


async def test_migrate_waits_for_a_broker_that_has_not_heard_of_the_topics(
    kafka_cluster: LocalKafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_survey, "BROKER_S", 0.3)  # it asks several times before the cluster gives the broker up
    topic, active = fresh("log"), await asyncio.to_thread(controller, kafka_cluster.brokers[1].address)
    late, other = kafka_cluster.others(active)[0], kafka_cluster.brokers[active].address
    late.pause()  # not the controller: the others need it
    migrating = asyncio.ensure_future(admin(kafka_cluster.bootstrap, topic, replication=1).migrate())
    try:
        async with asyncio.timeout(WAIT_S):
            while _led(await asyncio.to_thread(view, other), topic) < IN_ALL:  # noqa: ASYNC110  # a broker's
                await asyncio.sleep(0.02)
        await asyncio.wait({migrating}, timeout=1.0)
        seen = await asyncio.to_thread(view, other)
        assert not migrating.done() or late.number not in seen.brokers
    finally:
        late.resume()
        await migrating
    # One that the cluster has given up meanwhile may still know nothing, not even that. It is listed again once it has
    # caught up.
    listed = (await asyncio.to_thread(view, other)).brokers
    assert len(listed) >= len(kafka_cluster.brokers) - 1
    for number in listed:
        seen = await asyncio.to_thread(view, kafka_cluster.brokers[number].address)
        assert _led(seen, topic) == IN_ALL


def _led(seen: ClusterView, topic: str) -> int:
    """How many partitions of the log and the topics beside it have a leader."""
    return sum(1 for (name, _), each in seen.partitions.items() if name.startswith(topic) and each.leader >= 0)
