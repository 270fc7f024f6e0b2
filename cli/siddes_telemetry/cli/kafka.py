"""Cluster mode's log: Kafka, as the settings name it."""

from __future__ import annotations

from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.cli.kafka_security import kafka_security
from siddes_telemetry.cli.settings import Settings


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
