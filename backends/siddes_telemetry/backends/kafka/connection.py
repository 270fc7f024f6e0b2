"""How to reach Kafka: every aiokafka client is made here, with our settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaClient, AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from siddes_telemetry.backends.kafka.aiokafka_internals import (
    RangePartitionAssignor,
    client_of,
    decode_fetches_with,
    delay_after_corrupt_fetches,
    never_create_topics,
)
from siddes_telemetry.backends.kafka.closing import close_consumer
from siddes_telemetry.backends.kafka.errors import driver_errors_translated
from siddes_telemetry.backends.kafka.record_batches import Records
from siddes_telemetry.backends.kafka.security import PLAINTEXT, KafkaSecurity

FETCH_PARTITION_BYTES = 2 * 1024 * 1024  # held ready for each partition; smaller ones cost speed, larger ones memory
FETCH_BYTES = 32 * 1024 * 1024  # one answer of one broker
FETCH_WAIT_MS = 250  # an idle fetch; other requests on its connection wait until it ends
METADATA_MAX_AGE_MS = 30_000  # new partitions and moved leaders are noticed after this at the latest
REQUEST_S = 10.0  # after this without an answer a request is sent again on a new connection
NEVER_MS = 365 * 24 * 3600 * 1000  # a member that waits for the store is not dead: no max.poll.interval
CORRUPT_DELAY_S = 0.5  # between two fetches of a log that the broker cannot read; other partitions wait as long


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """The brokers of a Kafka cluster and how to connect to them. Makes all clients.

    `bootstrap` is a comma-separated list of host:port.
    """

    bootstrap: str
    security: KafkaSecurity = PLAINTEXT

    def producer_client(self) -> AIOKafkaClient:
        """Connections to the brokers and the cluster's metadata. Not started: its bootstrap() does that."""
        client = AIOKafkaClient(
            **self._connection_settings(), request_timeout_ms=_ms(REQUEST_S), metadata_max_age_ms=METADATA_MAX_AGE_MS
        )
        never_create_topics(client)
        return client

    def group_consumer(self, group: str, *, session_s: float, rebalance_s: float) -> AIOKafkaConsumer:
        """A consumer in a group, without a subscription. Not started: `start_consumer` does that."""
        return self._consumer(
            group_id=group,
            session_timeout_ms=_ms(session_s),
            heartbeat_interval_ms=int(session_s * 100),  # also how soon the member learns of a rebalance
            rebalance_timeout_ms=_ms(rebalance_s),
            request_timeout_ms=_ms(rebalance_s + REQUEST_S),  # the broker may hold a JoinGroup for a whole rebalance
            max_poll_interval_ms=NEVER_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),  # the sticky one keeps its state in its class
        )

    @asynccontextmanager
    async def reading_consumer(self, *, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        """A started consumer that joins no group. `group` is the one whose committed offsets it may fetch.

        Raises LogUnavailable, also for driver errors inside the block.
        """
        consumer = self._consumer(group_id=group, request_timeout_ms=_ms(REQUEST_S))
        try:
            with driver_errors_translated():
                await start_consumer(consumer)
                yield consumer
        finally:
            await close_consumer(consumer)

    @asynccontextmanager
    async def admin_client(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """A started admin client. Raises LogUnavailable, also for driver errors inside the block."""
        admin = AIOKafkaAdminClient(**self._connection_settings(), request_timeout_ms=_ms(REQUEST_S))
        try:
            with driver_errors_translated():
                await admin.start()
                yield admin
        finally:
            await admin.close()

    def _connection_settings(self) -> dict[str, Any]:
        """The settings that every kind of client takes."""
        return {"bootstrap_servers": self.bootstrap, **self.security.connection_settings()}

    def _consumer(self, **settings: object) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self._connection_settings(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            **settings,
        )
        never_create_topics(client_of(consumer))
        return consumer


async def start_consumer(consumer: AIOKafkaConsumer) -> None:
    """Connect, and decode what is fetched by record_batches.py. Raises the driver's errors."""
    await consumer.start()
    decode_fetches_with(consumer, Records)
    delay_after_corrupt_fetches(client_of(consumer), CORRUPT_DELAY_S)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
