"""Cluster mode's backends: Kafka and a ClickHouse server, as the settings name them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.cli.clickhouse_server import clickhouse_address, clickhouse_login, clickhouse_tls
from siddes_telemetry.cli.kafka_security import kafka_security
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.store import Store, make_store, store_schema
from siddes_telemetry.schemas.registry import Registry


def kafka_connection(settings: Settings) -> KafkaConnection:
    """How to reach the brokers. A process makes one: its clients share an access token. Raises SettingsError."""
    if settings.kafka is None:
        raise ValueError("the caller makes sure that the settings name a broker")
    return KafkaConnection(settings.kafka, kafka_security(settings))


def kafka_admin(settings: Settings) -> KafkaAdmin:
    """The administration of the topics."""
    return KafkaAdmin(
        kafka_connection(settings),
        settings.topic,
        partitions=settings.partitions,
        replication=settings.replication,
        retention_days=settings.retention_days,
    )


@asynccontextmanager
async def clickhouse_store(settings: Settings, registry: Registry) -> AsyncIterator[Store]:
    """The store on the ClickHouse server, which is connected to at the first use. Raises SettingsError."""
    address = clickhouse_address(settings)
    engine = HttpEngine(address, clickhouse_login(settings, address), clickhouse_tls(settings, address))
    try:
        yield make_store(engine, store_schema(settings, registry, address.database))
    finally:
        await engine.close()
