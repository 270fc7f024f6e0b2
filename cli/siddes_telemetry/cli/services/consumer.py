"""The consumer service: Kafka to ClickHouse. It has no public port."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics, KafkaGroupMetrics
from siddes_telemetry.cli.clickhouse import clickhouse_store
from siddes_telemetry.cli.kafka import kafka_connection
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.consuming import consumer_check, make_consumer
from siddes_telemetry.cli.services.lifecycle import BackgroundTask, ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.process_metrics import service_metrics
from siddes_telemetry.cli.services.readiness_checks import ping_check
from siddes_telemetry.cli.services.runtime import Service
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.consumer.batching import FlushPolicy
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
