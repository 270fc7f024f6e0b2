"""The consumer service: Kafka to ClickHouse. It has no public port."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.ports.log import DeadLetters, GroupConsumer, KeyJournal
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.cluster import clickhouse_store, kafka_connection
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.lifecycle import BackgroundTask, ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.process_metrics import service_metrics
from siddes_telemetry.cli.services.readiness_checks import consumer_check, ping_check
from siddes_telemetry.cli.services.runtime import Service
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.lease import boot_clock_s
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.schemas.registry import Registry


def consumer_service(settings: Settings, registry: Registry, admin: Address, print_status: PrintStatus) -> Service:
    """A consumer of the cluster's topic."""
    open_parts = partial(_open_consumer, settings, registry)
    return make_service(open_parts, Listen(None, admin), print_status, partial(service_metrics, registry))


@asynccontextmanager
async def _open_consumer(
    settings: Settings, registry: Registry, metrics: CollectorRegistry
) -> AsyncIterator[ServiceParts]:
    connection, rng = kafka_connection(settings), random.Random()
    producer_metrics = KafkaDeadLetterMetrics(metrics)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(clickhouse_store(settings, registry))
        dead_letters = KafkaDeadLetters(connection, settings.topic, metrics=producer_metrics, rng=rng)
        stack.push_async_callback(dead_letters.close)
        journal = KafkaJournal(
            connection,
            settings.topic,
            metrics=JournalMetrics(metrics),
            appender_metrics=producer_metrics,
            rng=rng,
        )
        stack.push_async_callback(journal.close)
        group_consumer = KafkaGroupConsumer(
            connection, settings.topic, settings.group, metrics=KafkaGroupMetrics(metrics), rng=rng
        )
        consumer = make_consumer(
            group_consumer,
            store.counts,
            dead_letters,
            journal,
            registry,
            log_name=settings.topic,
            policy=FlushPolicy(),
            metrics=metrics,
        )
        yield ServiceParts(
            checks={
                "log": ping_check(group_consumer.ping),
                "store": ping_check(store.counts.ping_insert),
                "consumer": consumer_check(consumer),
            },
            halted_partitions=consumer.halted_partitions,
            background=[BackgroundTask(consumer.run, consumer.stop)],
        )


def make_consumer(
    group_consumer: GroupConsumer,
    store: BlockStore,
    dead_letters: DeadLetters,
    journal: KeyJournal,
    registry: Registry,
    *,
    log_name: str,
    policy: FlushPolicy,
    metrics: CollectorRegistry,
) -> Consumer:
    """A consumer of this log into this store."""
    return Consumer(
        group_consumer,
        ConsumerContext(
            store=store,
            dead_letters=dead_letters,
            journal=journal,
            registry=registry,
            log_name=log_name,
            policy=policy,
            clocks=ConsumerClocks(monotonic_s=time.monotonic, boot_s=boot_clock_s, wall_ms=wall_clock_ms),
            metrics=ConsumerMetrics(metrics),
            rng=random.Random(),
        ),
    )
