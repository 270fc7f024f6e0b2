"""What keeps Kafka from being used is said by its reason and remedy: by commands, log lines and readiness."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v1, MetadataResponse_v5

from siddes_telemetry.backends.kafka import aiokafka_connection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.cli.operations.cluster import cluster_operations
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas.registry import Registry
from tests.infrastructure.certificates import Authority
from tests.infrastructure.conversations import conversations, say_nothing
from tests.infrastructure.identity_provider import IdentityProvider
from tests.infrastructure.kafka_acls import Acl, allow
from tests.infrastructure.names import fresh
from tests.infrastructure.ports import free_ports
from tests.infrastructure.scripted_broker import Script, scripted_broker
from tests.infrastructure.secured_kafka import ADMIN, SecuredKafka
from tests.integration.kafka.kit import Hands, make_group_consumer, running
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import start_member, unmigrated_cluster
from tests.product.process import ServiceProcess, run

Values = Mapping[str, str]
SCRAM, ONE, SECOND = "scram-sha-512", "the broker in SIDDES_TELEMETRY_KAFKA", "broker 2 in SIDDES_TELEMETRY_KAFKA"
NOBODY = "127.0.0.1:9"
WORKERS = 2
UNKNOWN_TOPIC = 3  # an error code


@pytest.fixture
def shipped() -> Registry:
    return load_registry(None)


def login(broker: SecuredKafka, **changed: str) -> Values:
    return {**broker.with_password(SCRAM, ADMIN), **changed}


def tls(broker: SecuredKafka, listener: str, **changed: str) -> Values:
    """TLS without a login."""
    ca = broker.with_password(SCRAM, ADMIN)["KAFKA_CA_FILE"]
    return {"KAFKA": broker.bootstrap(listener), "KAFKA_SECURITY": "ssl", "KAFKA_CA_FILE": ca, **changed}


def stranger(broker: SecuredKafka) -> Values:
    """A client certificate of a CA that the broker does not know."""
    certificate, key = Authority("unknown").issue("bob").written(broker.folder, fresh("stranger"))
    return tls(broker, "MTLS", KAFKA_CERT_FILE=str(certificate), KAFKA_KEY_FILE=str(key))


def login_by_certificate(broker: SecuredKafka) -> Values:
    """A password, at a port that takes certificates only."""
    return {**broker.certified("bob"), **login(broker, KAFKA=broker.bootstrap("MTLS"))}


FAILURES: dict[str, tuple[Callable[[SecuredKafka], Values], str]] = {
    "wrong password": (lambda broker: login(broker, KAFKA_PASSWORD="wrong"), f"login: {ONE} refuses user or password"),
    "unknown user": (lambda broker: login(broker, KAFKA_USER="nobody"), f"login: {ONE} refuses user or password"),
    "wrong password, PLAIN": (
        lambda broker: login(broker, KAFKA_SASL="plain", KAFKA_PASSWORD="wrong"),
        f"login: {ONE} refuses user or password",
    ),
    "mechanism": (
        lambda broker: login(broker, KAFKA=broker.bootstrap("TOKENS")),
        f"mechanism: {ONE} does not offer this kind of login",
    ),
    "client refused by the token endpoint": (
        lambda broker: {**broker.with_tokens("alice"), "KAFKA_CLIENT_SECRET": "wrong"},
        "token_refused: the token endpoint refuses the client",
    ),
    "no token endpoint": (
        lambda broker: {**broker.with_tokens("alice"), "KAFKA_TOKEN_URL": f"http://{NOBODY}/token"},
        "token_no_answer: the token endpoint does not answer",
    ),
    "no token": (
        lambda broker: {**broker.with_tokens("alice"), "KAFKA_TOKEN_URL": broker.provider.jwks_url},
        "token_missing: the token endpoint answers without a token",
    ),
    "unknown CA": (
        lambda broker: tls(broker, "OTHER_CA"),
        f"unknown_ca: the certificate of {ONE} is of an unknown CA: SIDDES_TELEMETRY_KAFKA_CA_FILE",
    ),
    "another host": (
        lambda broker: tls(broker, "OTHER_HOST"),
        f"other_host: the certificate of {ONE} is for another host",
    ),
    "expired": (lambda broker: tls(broker, "EXPIRED"), f"expired: the certificate of {ONE} is not valid now"),
    "no client certificate": (
        lambda broker: tls(broker, "MTLS"),
        f"client_certificate_wanted: {ONE} wants a client certificate",
    ),
    "unknown client certificate": (stranger, f"client_certificate_refused: {ONE} does not accept"),
    "TLS to a port without": (
        lambda broker: login(broker, KAFKA=broker.bootstrap("CLEAR")),
        f"no_tls: {ONE} closed the connection while TLS began",
    ),
    "plain text to a TLS port": (
        lambda broker: {"KAFKA": broker.bootstrap("PASSWORDS")},
        f"tls_wanted: the port of {ONE} wants TLS",
    ),
    "login at a port without": (login_by_certificate, f"no_login: the port of {ONE} takes no login"),
    "no login": (lambda broker: tls(broker, "PASSWORDS"), f"login_wanted: {ONE} closed the connection"),
    "no login, plain text": (
        lambda broker: {"KAFKA": broker.bootstrap("CLEAR")},
        f"login_wanted: {ONE} closed the connection",
    ),
    "no such host": (lambda _: {"KAFKA": f"{NOBODY},nowhere.invalid"}, f"name: the host of {SECOND} has no address"),
    "no broker": (lambda _: {"KAFKA": NOBODY}, f"connection_refused: {ONE} refuses the connection"),
}


@pytest.mark.parametrize(("values", "words"), FAILURES.values(), ids=FAILURES)
async def test_a_failed_connection_is_told_by_its_reason(
    secured_kafka: SecuredKafka, shipped: Registry, values: Callable[[SecuredKafka], Values], words: str
) -> None:
    assert (await word_of_dead_letters(values(secured_kafka), shipped)).startswith(words)


async def test_a_token_that_the_broker_does_not_accept_is_told(secured_kafka: SecuredKafka, shipped: Registry) -> None:
    with IdentityProvider({"alice": "secret"}) as unknown:
        by_tokens = {**secured_kafka.with_tokens("alice"), "KAFKA_TOKEN_URL": unknown.token_url}
        word = await word_of_dead_letters({**by_tokens, "KAFKA_CLIENT_SECRET": "secret"}, shipped)
    assert word.startswith(f"token_not_accepted: {ONE} does not accept the token")


async def test_a_server_that_does_not_answer_is_told(shipped: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka_connection, "CONNECT_S", 0.2)
    async with conversations(say_nothing) as address:
        word = await word_of_dead_letters({"KAFKA": address}, shipped)
    assert word.startswith(f"no_answer: {ONE} does not answer in time")


@pytest.mark.parametrize(
    "script", [{}, {(MetadataRequest.API_KEY, 99): MetadataResponse_v1([], -1, [])}], ids=["too old", "too new"]
)
async def test_a_broker_of_another_time_is_told(shipped: Registry, script: Script) -> None:
    async with scripted_broker(script) as address:
        word = await word_of_dead_letters({"KAFKA": address}, shipped)
    assert word.startswith(f"version: {ONE} is too old, or too new")


async def test_what_is_not_kafka_is_told(shipped: Registry) -> None:
    with IdentityProvider() as web_server:
        word = await word_of_dead_letters({"KAFKA": web_server.token_url.split("/")[2]}, shipped)
    assert word.startswith(f"not_kafka: {ONE} does not answer as Kafka does")


async def test_what_is_over_is_shown_no_longer() -> None:
    (port,) = free_ports(1)
    no_topic = MetadataResponse_v5(0, [(1, "127.0.0.1", port, None)], "cluster", 1, [(UNKNOWN_TOPIC, "log", False, [])])
    consumer = make_group_consumer(f"127.0.0.1:{port}", "log", "group")
    async with running(consumer, Hands()):
        await shows(consumer, "connection_refused")
        async with scripted_broker({(no_topic.API_KEY, no_topic.API_VERSION): no_topic}, port=port):
            await shows(consumer, "missing")


async def test_commands_end_with_one_line_and_services_go_on_until_an_operator_has_acted(
    secured_kafka: SecuredKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster("", clickhouse_database_url, tmp_path) as deployment:
        topic, group = deployment.settings["TOPIC"], deployment.settings["GROUP"]
        admin = {**deployment.settings, **login(secured_kafka)}
        made = await asyncio.to_thread(run, "migrate", settings=admin)
        assert made.returncode == 0, made.stderr
        certified = {**deployment.settings, **secured_kafka.certified(fresh("nobody"))}
        users = {name: fresh(name) for name in ("gateway", "consumer")}
        deployment.overrides = {name: secured_kafka.certified(user) for name, user in users.items()}
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as commands:
            for end in (
                ends("migrate", {**admin, "KAFKA_PASSWORD": "wrong"}, 1, "refuses user or password"),
                ends("verify", certified, 3, f"no permission for Read on topic {topic}: add this ACL"),
                ends("dead-letters", certified, 1, f"no permission for Read on topic {topic}.dead: add this ACL"),
            ):
                commands.create_task(end)

            operator = Operator(session)
            gateway = start_member(deployment, "gateway", "--workers", str(WORKERS))
            right = Acl("topic", topic, "Write")
            await says(gateway, f"waiting for: workers access: no permission for {right}: add this ACL")
            assert (await operator.troubles(gateway))["workers"].startswith(f"access: no permission for {right}")
            await allow(secured_kafka, {users["gateway"]: [right]})
            await operator.becomes_ready(gateway)
            assert await Client(session, deployment).post("alice", "suggestion_accepted") == 200

            consumer = start_member(deployment, "consumer")
            for right in (Acl("topic", topic, "Read"), Acl("group", group, "Read")):
                await says(consumer, f"waiting for: log access: no permission for {right}: add this ACL")
                await allow(secured_kafka, {users["consumer"]: [right]})
            await operator.becomes_ready(consumer)
        for process, times in ((gateway, WORKERS), (consumer, 1)):
            reported = [without_time(line) for line in process.said().splitlines() if '"log_unreachable"' in line]
            assert max(Counter(reported).values()) <= times, reported
        for process in deployment.processes.values():
            assert "Traceback" not in process.said()
            assert not [secret for secret in secured_kafka.secrets() if secret in process.said()]


async def word_of_dead_letters(values: Values, registry: Registry) -> str:
    """What readiness says of the error that ends `dead-letters`."""
    settings = Settings.model_validate({name.lower(): value for name, value in values.items()})
    with pytest.raises(LogUnavailable) as raised:
        await cluster_operations(settings, registry)["dead-letters"]()
    return raised.value.word


async def shows(consumer: KafkaGroupConsumer, reason: str) -> None:
    """Wait until readiness has this reason."""

    async def has() -> bool:
        try:
            await consumer.ping()
        except LogUnavailable as failure:
            return failure.reason == reason
        return False

    await eventually(has, lambda: f"it is not {reason}")


async def ends(command: str, settings: Values, status: int, words: str) -> None:
    """It ends with this status, and one line on standard error that has these words."""
    done = await asyncio.to_thread(run, command, settings=settings)
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


async def says(process: ServiceProcess, words: str) -> None:
    async def has_said() -> bool:
        return words in process.said()

    await eventually(has_said, lambda: f"it does not say {words}: {process.said()}")


def without_time(line: str) -> str:
    return line.partition('"timestamp"')[0]
