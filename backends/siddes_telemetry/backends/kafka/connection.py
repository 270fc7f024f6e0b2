"""How to reach Kafka: every aiokafka client is made here, with our settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer

from siddes_telemetry.backends.kafka.aiokafka_client import METADATA_MAX_AGE_MS, KafkaClient
from siddes_telemetry.backends.kafka.aiokafka_internals import RangePartitionAssignor, decode_fetches_with, use_client
from siddes_telemetry.backends.kafka.closing import close_consumer
from siddes_telemetry.backends.kafka.errors import driver_errors_translated
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.kafka.fetch_limits import FETCH_BYTES, FETCH_PARTITION_BYTES, FETCH_WAIT_MS
from siddes_telemetry.backends.kafka.record_batches import Records
from siddes_telemetry.backends.kafka.security import PLAINTEXT, KafkaSecurity

REQUEST_S = 10.0  # after this without an answer a request is sent again on a new connection
NEVER_MS = 365 * 24 * 3600 * 1000  # a member that waits for the store is not dead: no max.poll.interval


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """The brokers of a Kafka cluster and how to connect to them. Makes all clients.

    `bootstrap` is a comma-separated list of host:port. `known_addresses` are those of the brokers that the clients have
    last seen.
    """

    bootstrap: str
    security: KafkaSecurity = PLAINTEXT
    known_addresses: set[tuple[str, int]] = field(default_factory=set, init=False, repr=False, compare=False)

    def producer_client(self, topic: str) -> KafkaClient:
        """Connections to the brokers and the metadata of this topic. Not started: its bootstrap() does that."""
        return self._client([topic])

    def group_consumer(self, topic: str, group: str, *, session_s: float, rebalance_s: float) -> AIOKafkaConsumer:
        """A consumer in a group, without a subscription. Not started: `start_consumer` does that."""
        return self._consumer(
            # the broker may hold a JoinGroup for a whole rebalance
            self._client([topic], held_timeout_s=rebalance_s + REQUEST_S),
            group_id=group,
            session_timeout_ms=_ms(session_s),
            heartbeat_interval_ms=int(session_s * 100),  # also how soon the member learns of a rebalance
            rebalance_timeout_ms=_ms(rebalance_s),
            max_poll_interval_ms=NEVER_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),  # the sticky one keeps its state in its class
        )

    @asynccontextmanager
    async def reading_consumer(self, topic: str, *, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        """A started consumer that joins no group. `group` is the one whose committed offsets it may fetch.

        Raises LogUnavailable, also for driver errors inside the block.
        """
        consumer = self._consumer(self._client([topic]), group_id=group)
        try:
            with driver_errors_translated(reading_rights(topic, group)):
                await start_consumer(consumer)
                yield consumer
        finally:
            await close_consumer(consumer)

    @asynccontextmanager
    async def admin_client(self) -> AsyncIterator[KafkaClient]:
        """A started client for requests to single brokers. Raises LogUnavailable, also for errors inside the block."""
        client = self._client(())  # its user asks each broker for what it needs
        try:
            with driver_errors_translated():
                await client.bootstrap()
                yield client
        finally:
            await client.close()

    def _client(self, topics: Iterable[str], *, held_timeout_s: float | None = None) -> KafkaClient:
        return KafkaClient(
            self.bootstrap,
            topics,
            request_timeout_s=REQUEST_S,
            held_timeout_s=held_timeout_s,
            connection_settings=self.security.connection_settings,
            known_addresses=self.known_addresses,
        )

    def _consumer(self, client: KafkaClient, **settings: object) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            **settings,
        )
        use_client(consumer, client)
        return consumer


def reading_rights(topic: str, group: str | None) -> Rights:
    """What a consumer needs that joins no group. `group` is the one whose committed offsets it may fetch."""
    return Rights(topic=f"Read on topic {topic}", group=f"Describe on group {group}")


async def start_consumer(consumer: AIOKafkaConsumer) -> None:
    """Connect, and decode what is fetched by record_batches.py. Raises the driver's errors."""
    await consumer.start()
    decode_fetches_with(consumer, Records)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
