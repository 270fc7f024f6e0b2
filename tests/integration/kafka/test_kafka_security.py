"""Replaced files hold for the next connection to a broker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka import access_tokens
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics
from siddes_telemetry.cli.kafka import kafka_admin, kafka_connection
from siddes_telemetry.cli.settings import Settings
from tests.infrastructure.certificates import Authority, written
from tests.infrastructure.kafka_acls import Acl, allow
from tests.infrastructure.names import fresh
from tests.infrastructure.secured_kafka import ADMIN, SecuredKafka
from tests.integration.kafka.kit import HEADERS, WAIT_S, until


def settings(login: dict[str, str], topic: str) -> Settings:
    return Settings.model_validate(
        {"topic": topic, "partitions": 1, **{name.lower(): value for name, value in login.items()}}
    )


def of_another_ca(broker: SecuredKafka) -> dict[str, str]:
    certificate, key = Authority("another CA").issue("gateway").written(broker.folder, fresh("client"))
    return broker.certified("gateway") | {"KAFKA_CERT_FILE": str(certificate), "KAFKA_KEY_FILE": str(key)}


@asynccontextmanager
async def appending(broker: SecuredKafka, login: dict[str, str], user: str) -> AsyncIterator[KafkaAppender]:
    """An appender of this user, which may write to a topic of its own."""
    topic = fresh("log")
    await kafka_admin(settings(broker.with_password("plain", ADMIN), topic)).migrate()
    await allow(broker, {user: [Acl("topic", topic, "Write")]})
    appender = KafkaAppender(
        kafka_connection(settings(login, topic)),
        topic,
        1,
        metrics=KafkaAppenderMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )
    await appender.start()
    try:
        yield appender
    finally:
        await appender.close()


async def test_a_replaced_password_file_holds_without_a_restart(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    file = written(tmp_path / "password", b"wrong\n")
    login = secured_kafka.with_password("scram-sha-512", "gateway")
    right, login["KAFKA_PASSWORD"], login["KAFKA_PASSWORD_FILE"] = login["KAFKA_PASSWORD"], "wrong", str(file)
    async with appending(secured_kafka, login, "gateway") as appender, asyncio.timeout(WAIT_S):
        append = asyncio.ensure_future(appender.append(0, b"counts", HEADERS))
        await refused_once(secured_kafka, b"Authentication failed")
        assert not append.done()
        written(file, right.encode())
        await append


async def test_a_replaced_certificate_holds_without_a_restart(secured_kafka: SecuredKafka) -> None:
    login, user = of_another_ca(secured_kafka), fresh("user")
    async with appending(secured_kafka, login, user) as appender, asyncio.timeout(WAIT_S):
        append = asyncio.ensure_future(appender.append(0, b"counts", HEADERS))
        await refused_once(secured_kafka, b"SSL handshake failed")
        assert not append.done()
        identity = secured_kafka.authority.issue(user)
        written(Path(login["KAFKA_CERT_FILE"]), identity.certificate)
        written(Path(login["KAFKA_KEY_FILE"]), identity.key)
        await append


async def test_a_token_that_the_broker_refuses_is_replaced(
    secured_kafka: SecuredKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "REFUSED_S", 0.0)
    provider, user = secured_kafka.provider, fresh("user")

    asked = 0

    async def answer(_request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.json_response({"access_token": "a.b.c", "expires_in": 3600})

    monkeypatch.setattr(provider, "answer", answer)
    async with appending(secured_kafka, secured_kafka.with_tokens(user), user) as appender, asyncio.timeout(WAIT_S):
        append = asyncio.ensure_future(appender.append(0, b"counts", HEADERS))
        await until(lambda: asked >= 2)
        assert not append.done()
        monkeypatch.setattr(provider, "answer", None)
        await append


async def refused_once(broker: SecuredKafka, words: bytes) -> None:
    """Wait until the broker has refused one more connection with these words in its log."""
    before = broker.log().count(words)
    await until(lambda: broker.log().count(words) > before)
