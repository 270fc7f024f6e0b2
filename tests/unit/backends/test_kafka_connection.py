"""Every Kafka client of the product is made by KafkaConnection, with its settings."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.kafka import connection
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.security import KafkaSecurity, PasswordLogin
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles

CLIENTS = ("KafkaClient", "AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaProducer")
BACKEND = Path(connection.__file__).parent


class Made(Exception):
    """Instead of a client: what it is made with."""

    def __init__(self, bootstrap: str, topics: Iterable[str], **settings: Any) -> None:
        super().__init__()
        self.bootstrap = bootstrap
        self.topics = list(topics)
        self.connection_settings = settings["connection_settings"]


def refuse(*arguments: Any, **settings: Any) -> None:
    raise Made(*arguments, **settings)


async def test_every_client_gets_addresses_topics_and_the_settings_of_each_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "KafkaClient", refuse)
    login = PasswordLogin("SCRAM-SHA-512", "gateway", RotatingSecret("0", iter("1234").__next__))
    kafka = KafkaConnection("kafka-1:9092,kafka-2:9092", KafkaSecurity(login=login))

    async def reading() -> None:
        async with kafka.reading_consumer("log"):
            raise AssertionError("it is not made")

    async def administrating() -> None:
        async with kafka.admin_client():
            raise AssertionError("it is not made")

    async def producing() -> None:
        kafka.producer_client("log")

    async def in_a_group() -> None:
        kafka.group_consumer("log", "group", session_s=10.0, rebalance_s=30.0)

    for number, make in enumerate((reading, administrating, producing, in_a_group), start=1):
        with pytest.raises(Made) as made:
            await make()
        topics = [] if make is administrating else ["log"]
        assert (made.value.bootstrap, made.value.topics) == ("kafka-1:9092,kafka-2:9092", topics)
        assert made.value.connection_settings().items() >= {
            ("security_protocol", "SASL_PLAINTEXT"),
            ("sasl_mechanism", "SCRAM-SHA-512"),
            ("sasl_plain_username", "gateway"),
            ("sasl_plain_password", str(number)),  # read again for each
        }


def test_a_secret_that_cannot_be_read_any_more_stays_as_it_was_with_one_warning() -> None:
    def read() -> str:
        if not readable:
            raise ValueError("SIDDES_TELEMETRY_KAFKA_PASSWORD_FILE: is empty")
        return readable[-1]

    readable = list[str]()
    secret = RotatingSecret("old", read)
    with capture_logs() as logs:
        assert [secret.current(), secret.current()] == ["old", "old"]
    assert [(line["event"], line["problem"]) for line in logs] == [
        ("kafka_secret_unusable", "SIDDES_TELEMETRY_KAFKA_PASSWORD_FILE: is empty")
    ]
    readable.append("new")
    assert secret.current() == "new"


@pytest.mark.parametrize(
    ("tls", "login", "protocol"),
    [(False, False, "PLAINTEXT"), (True, False, "SSL"), (False, True, "SASL_PLAINTEXT"), (True, True, "SASL_SSL")],
)
def test_the_protocol_follows_from_tls_and_login(tls: bool, login: bool, protocol: str) -> None:
    security = KafkaSecurity(
        TlsContext(TlsFiles()) if tls else None,
        PasswordLogin("PLAIN", "gateway", RotatingSecret("canary")) if login else None,
    )
    settings = security.connection_settings()
    assert settings["security_protocol"] == protocol
    assert (settings["ssl_context"] is not None) == tls
    assert "canary" not in repr(security)


def test_no_other_module_makes_a_client() -> None:
    makers = {
        module.stem
        for module in BACKEND.glob("*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CLIENTS
    }
    assert makers == {"connection"}
