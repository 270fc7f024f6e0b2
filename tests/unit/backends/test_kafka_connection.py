"""Every Kafka client of the product is made by KafkaConnection, with its settings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from siddes_telemetry.backends.kafka import connection
from siddes_telemetry.backends.kafka.connection import KafkaConnection

CLIENTS = ("AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaProducer")
BACKEND = Path(connection.__file__).parent


class Made(Exception):
    """Instead of a client: its settings."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings


def refuse(**settings: Any) -> None:
    raise Made(**settings)


async def test_every_client_gets_the_connection_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CLIENTS[:3]:
        monkeypatch.setattr(connection, name, refuse)
    kafka = KafkaConnection("kafka-1:9092,kafka-2:9092")

    async def reading() -> None:
        async with kafka.reading_consumer():
            raise AssertionError("it is not made")

    async def administrating() -> None:
        async with kafka.admin_client():
            raise AssertionError("it is not made")

    async def producing() -> None:
        kafka.producer_client()

    async def in_a_group() -> None:
        kafka.group_consumer("group", session_s=10.0, rebalance_s=30.0)

    for make in (reading, administrating, producing, in_a_group):
        with pytest.raises(Made) as made:
            await make()
        assert made.value.settings["bootstrap_servers"] == "kafka-1:9092,kafka-2:9092"


def test_no_other_module_makes_a_client() -> None:
    makers = {
        module.stem
        for module in BACKEND.glob("*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CLIENTS
    }
    assert makers == {"connection"}
