"""The rights that docs/deployment.md lists suffice, not one of them can be taken away, and the missing one is named."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.aiokafka_topics import set_topic_setting
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.group_offsets import open_group_offsets
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.log_view import open_log_view
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics, KafkaDeadLetterMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.kafka.topics import dead_topic, keys_topic
from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.backends.ports.log import Committed, DeadLetter
from siddes_telemetry.cli.kafka import kafka_admin, kafka_connection
from siddes_telemetry.cli.settings import Settings
from tests.infrastructure.kafka_acls import Acl, allow
from tests.infrastructure.names import fresh
from tests.infrastructure.secured_kafka import ADMIN, SecuredKafka
from tests.integration.kafka.kit import HEADERS, QUICK, Hands, fetch_values, running
from tests.product.documented_acls import documented_acls

WORKS_S = 60.0  # for a user with all rights, on a busy machine
PATIENCE = 4  # how many times as long as such a user somebody who lacks a right is waited for
LEAST_S = 3.0
INCLUDED = {"Alter": "Describe", "AlterConfigs": "DescribeConfigs"}  # what `migrate` asks for first


@dataclass
class Trial:
    """A user of one kind, on a topic and in a group, without one of its rights."""

    kind: str
    topic: str
    group: str
    rights: list[Acl]
    lacks: Acl | None = None
    user: str = field(default_factory=lambda: fresh("user"))


async def test_the_documented_acls_suffice_and_each_is_needed_and_named(secured_kafka: SecuredKafka) -> None:
    topic = fresh("log")
    await admin(secured_kafka, ADMIN, topic).migrate()
    for kind in ("gateway", "consumer"):  # there is something to read, and the group's coordinator is up
        await WORK[kind](secured_kafka, Trial(kind, topic, fresh("group"), [], user=ADMIN))
    trials = [trial for kind in documented_acls("", "") for trial in of_each_right(kind, topic)]
    await allow(secured_kafka, {trial.user: trial.rights for trial in trials})

    began = time.monotonic()
    whole = [trial for trial in trials if trial.lacks is None]
    async with asyncio.timeout(WORKS_S):
        await asyncio.gather(*[WORK[trial.kind](secured_kafka, trial) for trial in whole])
    limit_s = max(LEAST_S, PATIENCE * (time.monotonic() - began))

    lacking = [trial for trial in trials if trial.lacks is not None]
    with capture_logs() as logs:
        ends = await asyncio.gather(*[end_within(limit_s, WORK[each.kind](secured_kafka, each)) for each in lacking])
    needless = [f"{each.kind}: {each.lacks}" for each, end in zip(lacking, ends, strict=True) if end is None]
    assert (len(whole), needless) == (len(WORK), [])
    said = [*ends, *[line["problem"] for line in logs if line["event"] == "log_unreachable"]]
    unnamed = [f"{each.kind}: {each.lacks}" for each in lacking if not any(names(each, text) for text in said)]
    assert unnamed == [], said


def of_each_right(kind: str, topic: str) -> list[Trial]:
    """One user with all rights of this kind, and one without each of them. `migrate` has topics of its own."""
    count = len(documented_acls("", "")[kind])
    trials = []
    for left_out in (None, *range(count)):
        name, group = (fresh("log") if kind == "migrate" else topic), fresh("group")
        rights = documented_acls(name, group)[kind]
        lacks = None if left_out is None else rights.pop(left_out)
        trials.append(Trial(kind, name, group, rights, lacks))
    return trials


async def end_within(limit_s: float, work: Awaitable[None]) -> str | None:
    """The text of the error that ends it, or None if it succeeds."""
    try:
        async with asyncio.timeout(limit_s):
            await work
    except (BackendError, TimeoutError) as error:
        return str(error)
    return None


def names(trial: Trial, text: str) -> bool:
    """Whether the text names the right that is missing, or one that it includes."""
    lacks = trial.lacks
    assert lacks
    rights = (lacks, Acl(lacks.resource, lacks.name, INCLUDED.get(lacks.operation, lacks.operation)))
    return any(f"no permission for {right}" in text for right in rights)


def settings(broker: SecuredKafka, user: str, topic: str, **more: object) -> Settings:
    login = broker.with_password("plain", ADMIN) if user == ADMIN else broker.certified(user)
    values: dict[str, object] = {name.lower(): value for name, value in login.items()}
    return Settings.model_validate({**values, "topic": topic, "partitions": 1, **more})


def connection(broker: SecuredKafka, trial: Trial) -> KafkaConnection:
    return kafka_connection(settings(broker, trial.user, trial.topic))


def admin(broker: SecuredKafka, user: str, topic: str, **more: object) -> KafkaAdmin:
    return kafka_admin(settings(broker, user, topic, **more))


async def test_migrate_may_only_look_where_others_made_the_topics(secured_kafka: SecuredKafka) -> None:
    topic, user = fresh("log"), fresh("user")
    await admin(secured_kafka, ADMIN, topic).migrate()
    names = (topic, keys_topic(topic), dead_topic(topic))
    rights = [Acl("topic", name, operation) for name in names for operation in ("Describe", "DescribeConfigs")]
    await allow(secured_kafka, {user: rights})
    assert not (await admin(secured_kafka, user, topic).migrate()).steps


async def migrate(broker: SecuredKafka, trial: Trial) -> None:
    """Create the topics, then change what can be changed."""
    await admin(broker, trial.user, trial.topic).migrate()
    names = (trial.topic, keys_topic(trial.topic), dead_topic(trial.topic))
    async with kafka_connection(settings(broker, ADMIN, trial.topic)).admin_client() as client:
        some_broker = next(iter(client.cluster.brokers())).nodeId
        for name in names:
            await set_topic_setting(client, some_broker, name, "retention.ms", "-1")
    await admin(broker, trial.user, trial.topic, partitions=2).migrate()
    assert not (await admin(broker, ADMIN, trial.topic, partitions=2).pending()).steps


async def gateway(broker: SecuredKafka, trial: Trial) -> None:
    appender = KafkaAppender(
        connection(broker, trial),
        trial.topic,
        1,
        metrics=KafkaAppenderMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )
    await appender.start()
    try:
        await appender.append(0, b"counts", HEADERS)
        await appender.ping()
    finally:
        await appender.close()


async def consumer(broker: SecuredKafka, trial: Trial) -> None:
    to_broker, registry, rng = connection(broker, trial), CollectorRegistry(), random.Random(1)
    metrics = KafkaDeadLetterMetrics(registry)
    async with AsyncExitStack() as stack:
        letters = KafkaDeadLetters(to_broker, trial.topic, metrics=metrics, rng=rng)
        stack.push_async_callback(letters.close)
        journal = KafkaJournal(
            to_broker, trial.topic, metrics=JournalMetrics(registry), appender_metrics=metrics, rng=rng
        )
        stack.push_async_callback(journal.close)
        group_consumer = KafkaGroupConsumer(
            to_broker, trial.topic, trial.group, metrics=KafkaGroupMetrics(registry), rng=rng, times=QUICK
        )
        hands = Hands()
        await stack.enter_async_context(running(group_consumer, hands))
        partition = await hands.next()
        await partition.seek(0)
        await fetch_values(partition, 1)
        await partition.commit_offset(1, "")
        await group_consumer.ping()
        await letters.append(DeadLetter(0, 0, "schema_header", b"bytes", ()))
        note = trial.user.encode()
        journal.append(0, note)
        while note not in [each async for each in journal.notes(0, 0)]:  # noqa: ASYNC110  # another connection's
            await asyncio.sleep(0.05)


async def verify(broker: SecuredKafka, trial: Trial) -> None:
    to_broker = connection(broker, trial)
    async with open_log_view(to_broker, trial.topic, trial.group) as log:
        (partition,) = await log.partitions()
        assert await partition.committed() is None
        start, end = await partition.bounds()
        assert [piece async for piece in partition.read(start, end)]
    await dead_letters(broker, trial)


async def reset_offsets(broker: SecuredKafka, trial: Trial) -> None:
    to_broker = connection(broker, trial)
    async with (
        open_log_view(to_broker, trial.topic, trial.group) as log,
        open_group_offsets(to_broker, trial.topic, trial.group) as group,
    ):
        assert await group.members() == 0
        await group.set_offsets({0: 1})
        (partition,) = await log.partitions()
        assert await partition.committed() == Committed(1, "")


async def dead_letters(broker: SecuredKafka, trial: Trial) -> None:
    metrics = KafkaDeadLetterMetrics(CollectorRegistry())
    letters = KafkaDeadLetters(connection(broker, trial), trial.topic, metrics=metrics, rng=random.Random(1))
    try:
        assert await letters.entries()
    finally:
        await letters.close()


WORK: Mapping[str, Callable[[SecuredKafka, Trial], Awaitable[None]]] = {
    "gateway": gateway,
    "consumer": consumer,
    "migrate": migrate,
    "verify": verify,
    "dead-letters": dead_letters,
    "reset-offsets": reset_offsets,
}
