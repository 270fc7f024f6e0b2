"""The operations on a cluster. Each connects to the servers that it needs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.group_offsets import open_group_offsets
from siddes_telemetry.backends.kafka.log_view import open_log_view
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics
from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.clickhouse import clickhouse_store
from siddes_telemetry.cli.kafka import kafka_admin, kafka_connection
from siddes_telemetry.cli.operations.dead_letters import list_dead_letters, set_aside
from siddes_telemetry.cli.operations.migrate import (
    check_log_not_lost,
    holds_no_record,
    migrate_store,
    migrate_topics,
    retention_notes,
)
from siddes_telemetry.cli.operations.operation import Operations, Result
from siddes_telemetry.cli.operations.purge import purge
from siddes_telemetry.cli.operations.reset_offsets import reset_offsets
from siddes_telemetry.cli.operations.stored_events import require_own_events, stored_events
from siddes_telemetry.cli.operations.verify import verify_store
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.consumer.verify.verifier import LogAndStore
from siddes_telemetry.schemas.registry import Registry


def cluster_operations(settings: Settings, registry: Registry) -> Operations:
    """The operations on the cluster that these settings name."""

    async def migrate(
        *,
        topics: bool = True,
        store: bool = True,
        dry_run: bool = False,
        new_log: bool = False,
        log_id: int | None = None,
    ) -> Result:
        of_topics: Result = {"steps": [], "notes": []}
        log_admin = kafka_admin(settings) if topics else None  # one for all, so that it asks for one access token
        if not store:
            return of_topics if log_admin is None else await migrate_topics(log_admin, dry_run=dry_run)
        async with clickhouse_store(settings, registry) as tables:
            if log_admin is not None and not new_log:
                await check_log_not_lost(log_admin, tables.counts, tables.audit, settings.topic)
            # First of all the new identity: consumers that wait for the topic must not take it over under the old one.
            of_store = await migrate_store(
                tables.admin,
                tables.counts,
                settings.topic,
                log_is_unused=partial(_log_is_unused, settings, tables.counts, has_kafka=topics),
                dry_run=dry_run,
                new_log=new_log,
                log_id=log_id,
            )
            if log_admin is not None:
                of_topics = await migrate_topics(log_admin, dry_run=dry_run)
        steps = [*of_topics["steps"], *of_store["steps"]]
        notes = [*of_topics["notes"], *retention_notes(settings.retention_days)]
        return of_topics | of_store | {"steps": steps, "notes": notes}

    async def purge_rows(*, days: int, dry_run: bool = False) -> Result:
        async with clickhouse_store(settings, registry) as store:
            return await purge(store.admin, wall_clock_ms, days=days, dry_run=dry_run)

    async def dead_letters() -> Result:
        async with _dead_letters(kafka_connection(settings), settings.topic) as letters:
            return await list_dead_letters(letters)

    async def set_record_aside(*, partition: int, offset: int, confirmed: bool = False) -> Result:
        async with _log_and_store(settings, registry) as (log_and_store, store):
            return await set_aside(log_and_store, store, partition=partition, offset=offset, confirmed=confirmed)

    async def verify(
        *, hours: float | None = None, repair: int = 0, progress: Progress = lambda _done, _total: None
    ) -> Result:
        async with _log_and_store(settings, registry) as (log_and_store, store):
            return await verify_store(
                log_and_store, store, wall_clock_ms, hours=hours, repair=repair, progress=progress
            )

    async def set_offsets(*, confirmed: bool = False, progress: Progress = lambda _done, _total: None) -> Result:
        async with (
            _log_and_store(settings, registry) as (log_and_store, _),
            open_group_offsets(kafka_connection(settings), settings.topic, settings.group) as group,
        ):
            return await reset_offsets(log_and_store, group, confirmed=confirmed, progress=progress)

    return {
        "migrate": migrate,
        "purge": purge_rows,
        "stored-events": partial(_stored_events, settings, registry),
        "dead-letters": dead_letters,
        "set-aside": set_record_aside,
        "verify": verify,
        "reset-offsets": set_offsets,
    }


async def _stored_events(settings: Settings, registry: Registry) -> Result:
    async with clickhouse_store(settings, registry) as store:
        has_kafka = settings.kafka is not None
        return await stored_events(store.admin, partial(_log_is_unused, settings, store.counts, has_kafka=has_kafka))


async def _log_is_unused(settings: Settings, store: BlockStore, *, has_kafka: bool) -> bool:
    """Whether the log of these settings holds no record. Without Kafka: whether no log was ever adopted."""
    if not has_kafka:
        return await store.log_id(settings.topic) is None
    async with open_log_view(kafka_connection(settings), settings.topic, settings.group) as log:
        return await holds_no_record(log)


@asynccontextmanager
async def _log_and_store(settings: Settings, registry: Registry) -> AsyncIterator[tuple[LogAndStore, BlockStore]]:
    async with clickhouse_store(settings, registry) as store:
        await require_own_events(store.counts, registry)
        log_id = await store.counts.log_id(settings.topic)
        if log_id is None:
            raise StoreMissing("this log has no identity yet")
        connection = kafka_connection(settings)
        async with (
            open_log_view(connection, settings.topic, settings.group) as log,
            _dead_letters(connection, settings.topic) as letters,
        ):
            with store.one_server():
                yield LogAndStore(log, log_id, store.audit, letters, registry, settings.retention_days), store.counts


@asynccontextmanager
async def _dead_letters(connection: KafkaConnection, topic: str) -> AsyncIterator[KafkaDeadLetters]:
    metrics = KafkaDeadLetterMetrics(CollectorRegistry())
    letters = KafkaDeadLetters(connection, topic, metrics=metrics, rng=random.Random())
    try:
        yield letters
    finally:
        await letters.close()
