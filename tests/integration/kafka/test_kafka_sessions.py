"""Where a broker ends logins after some seconds (KIP-368), neither producers nor consumers notice."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.cli.kafka import kafka_admin, kafka_connection
from siddes_telemetry.cli.settings import Settings
from tests.infrastructure.certificates import written
from tests.infrastructure.kafka_acls import allow
from tests.infrastructure.names import fresh
from tests.infrastructure.secured_kafka import ADMIN, SESSION_S, SecuredKafka
from tests.integration.kafka.kit import HEADERS, QUICK, WAIT_S, Hands, running, until
from tests.product.documented_acls import documented_acls

SESSIONS = 3
TOKEN_S = 10.0  # their tokens' lives, of which the last fifth is not used for new sessions
PAUSE_S = 0.05
LAST = b"last"


async def test_the_end_of_sessions_is_noticed_by_nobody(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    """Nor is it that the secret for tokens is another one meanwhile."""
    provider, by_token = secured_kafka.provider, fresh("user")
    provider.lives_s[by_token] = TOKEN_S
    logins = {
        "consumer": secured_kafka.with_password("scram-sha-512", "consumer", listener="SHORT"),
        by_token: secured_kafka.with_tokens(by_token, listener="SHORT"),
    }
    secret_file = written(tmp_path / "secret", provider.clients[by_token].encode())
    logins[by_token]["KAFKA_CLIENT_SECRET_FILE"] = str(secret_file)
    killed = secured_kafka.killed_sessions()

    async def rotate_secret() -> None:
        await until(lambda: provider.tokens_given[by_token] > 0)
        before = provider.tokens_given[by_token]
        provider.clients[by_token] = "another"
        written(secret_file, b"another")
        await until(lambda: provider.tokens_given[by_token] > before)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rotate_secret())
        for user, login in logins.items():
            tasks.create_task(outlives_sessions(secured_kafka, user, login))
    assert secured_kafka.killed_sessions() == killed


async def outlives_sessions(broker: SecuredKafka, user: str, login: dict[str, str]) -> None:
    """Append and consume for some sessions; each record is acknowledged, and read once by the member of the start."""
    topic, group, registry = fresh("log"), fresh("group"), CollectorRegistry()
    await kafka_admin(settings(broker.with_password("plain", ADMIN), topic)).migrate()
    rights = documented_acls(topic, group)
    await allow(broker, {user: {*rights["gateway"], *rights["consumer"]}})
    connection = kafka_connection(settings(login, topic))
    appender = KafkaAppender(connection, topic, 2, metrics=KafkaAppenderMetrics(registry), rng=random.Random(1))
    consumer = KafkaGroupConsumer(
        connection, topic, group, metrics=KafkaGroupMetrics(registry), rng=random.Random(1), times=QUICK
    )
    hands = Hands()
    await appender.start()
    try:
        async with running(consumer, hands):
            partitions = [await hands.next() for _ in range(2)]
            ends_s = time.monotonic() + SESSIONS * SESSION_S

            async def append(number: int) -> int:
                """How many records were acknowledged. An append that fails is a gateway's 503."""
                count = 0
                while time.monotonic() < ends_s:
                    await appender.append(number, b"counts", HEADERS)
                    count += 1
                    await asyncio.sleep(PAUSE_S)
                await appender.append(number, LAST, HEADERS)
                return count + 1

            async def consume(partition: OwnedPartition) -> int:
                await partition.seek(0)
                count, value = 0, b""
                while value != LAST:
                    records = await partition.fetch()
                    count, value = count + len(records), records[-1].value
                    await partition.commit_offset(count, "")
                return count

            async with asyncio.timeout(SESSIONS * SESSION_S + WAIT_S):
                done = await asyncio.gather(*map(append, range(2)), *map(consume, partitions))
            assert sorted(done[:2]) == sorted(done[2:])
    finally:
        await appender.close()
    assert registry.get_sample_value("siddes_kafka_rebalances_total") == 1
    assert registry.get_sample_value("siddes_kafka_producer_rebuilds_total") == 0


def settings(login: dict[str, str], topic: str) -> Settings:
    return Settings.model_validate(
        {"topic": topic, "partitions": 2, **{name.lower(): value for name, value in login.items()}}
    )
