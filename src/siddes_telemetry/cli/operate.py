"""Do an operation for the command line: on the cluster, on the data folder, or through the process that has it."""

from __future__ import annotations

import random
from typing import Any

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka_dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka_metrics import KafkaDeadLetterMetrics
from siddes_telemetry.cli.control import ask_control
from siddes_telemetry.cli.data_folder import DataFolder, DataInUse
from siddes_telemetry.cli.operations import Result, list_dead_letters, migrate_cluster, purge
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.shapes import clickhouse, embedded, kafka_admin, kafka_servers
from siddes_telemetry.schemas.registry import Registry


async def operate(settings: Settings, registry: Registry, operation: str, arguments: dict[str, Any]) -> Result:
    """The result. Raises BackendError, ControlError, OSError; only `migrate` makes a data folder."""
    if settings.kafka is not None or settings.clickhouse is not None:
        return await _on_cluster(settings, registry, operation, arguments)
    if operation != "migrate":
        settings.data.stat()  # raises where there is none: in the wrong directory, "none" would be a wrong answer
    try:
        async with embedded(settings, registry) as instance:
            return await instance.operations[operation](**arguments)
    except DataInUse:
        return await ask_control(DataFolder(settings.data).control_socket, operation, arguments)


async def _on_cluster(settings: Settings, registry: Registry, operation: str, arguments: dict[str, Any]) -> Result:
    if operation == "dead-letters":
        metrics = KafkaDeadLetterMetrics(CollectorRegistry())
        letters = KafkaDeadLetters(kafka_servers(settings), settings.topic, metrics=metrics, rng=random.Random())
        try:
            return await list_dead_letters(letters)
        finally:
            await letters.close()
    async with clickhouse(settings, registry) as store:
        if operation == "purge":
            return await purge(store.admin, **arguments)
        return await migrate_cluster(kafka_admin(settings), store.admin, settings.topic, **arguments)
