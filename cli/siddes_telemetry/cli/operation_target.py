"""Do an operation for the command line: on the cluster, on the data folder, or through the process that has it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.log_view import open_log_view
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics
from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.cli.cluster import clickhouse_store, kafka_admin, kafka_connection
from siddes_telemetry.cli.control_socket import ask_control
from siddes_telemetry.cli.data_folder import DataFolder, DataInUse
from siddes_telemetry.cli.embedded import open_embedded
from siddes_telemetry.cli.operations import (
    Operations,
    Result,
    list_dead_letters,
    migrate_cluster,
    purge,
    set_aside,
    verify_store,
)
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.store import Store
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.consumer.verify.verifier import LogAndStore
from siddes_telemetry.schemas.registry import Registry

_LOG_AND_STORE: Operations = {  # what looks at the log and at the store
    "verify": partial(verify_store, clock_ms=wall_clock_ms),
    "set-aside": set_aside,
}


async def operate(
    settings: Settings, registry: Registry, operation: str, arguments: dict[str, Any], progress: Progress | None = None
) -> Result:
    """The result. Raises BackendError, ControlError, DataMissing, OSError; only `migrate` makes a data folder.

    `progress` is told how an operation WITH_PROGRESS is getting on.
    """
    told = {"progress": progress} if progress is not None else {}
    if settings.kafka is not None or settings.clickhouse is not None:
        return await _on_cluster(settings, registry, operation, {**arguments, **told})
    if operation != "migrate":
        DataFolder(settings.data).require()
    try:
        async with open_embedded(settings, registry) as instance:
            return await instance.operations[operation](**arguments, **told)
    except DataInUse:
        return await ask_control(DataFolder(settings.data).control_socket, operation, arguments, **told)


async def _on_cluster(settings: Settings, registry: Registry, operation: str, arguments: dict[str, Any]) -> Result:
    if operation == "dead-letters":
        async with _dead_letters(settings) as letters:
            return await list_dead_letters(letters)
    async with clickhouse_store(settings, registry) as store:
        if operation in _LOG_AND_STORE:
            return await _on_log_and_store(settings, registry, store, operation, arguments)
        if operation == "purge":
            return await purge(store.admin, wall_clock_ms, **arguments)
        return await migrate_cluster(kafka_admin(settings), store.admin, store.counts, settings.topic, **arguments)


async def _on_log_and_store(
    settings: Settings, registry: Registry, store: Store, operation: str, arguments: dict[str, Any]
) -> Result:
    log_id = await store.counts.log_id(settings.topic)
    if log_id is None:
        raise StoreMissing("this log has no identity yet")
    async with (
        open_log_view(kafka_connection(settings), settings.topic, settings.group) as log,
        _dead_letters(settings) as letters,
    ):
        log_and_store = LogAndStore(log, log_id, store.audit, letters, registry, settings.retention_days)
        return await _LOG_AND_STORE[operation](log_and_store, store.counts, **arguments)


@asynccontextmanager
async def _dead_letters(settings: Settings) -> AsyncIterator[KafkaDeadLetters]:
    metrics = KafkaDeadLetterMetrics(CollectorRegistry())
    letters = KafkaDeadLetters(kafka_connection(settings), settings.topic, metrics=metrics, rng=random.Random())
    try:
        yield letters
    finally:
        await letters.close()
