"""Runs an operation where the settings say: on the cluster, on the data folder, or in the process that has it open."""

from __future__ import annotations

import asyncio
from typing import Any

from siddes_telemetry.cli.data_folder import DataFolder, DataInUse
from siddes_telemetry.cli.embedded import open_embedded
from siddes_telemetry.cli.operations.cluster import cluster_operations
from siddes_telemetry.cli.operations.control_socket import ask_control
from siddes_telemetry.cli.operations.embedded import embedded_operations
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.schemas.registry import Registry


def run_operation(settings: Settings, name: str, arguments: dict[str, Any], progress: Progress | None = None) -> Result:
    """Returns its result. Only operations WITH_PROGRESS take `progress`. Only `migrate` makes a data folder.

    Raises SettingsError, BackendError, ControlError, DataMissing, OSError.
    """
    return asyncio.run(_run(settings, load_registry(settings.events), name, arguments, progress))


async def _run(
    settings: Settings, registry: Registry, name: str, arguments: dict[str, Any], progress: Progress | None
) -> Result:
    reporting = {"progress": progress} if progress is not None else {}
    if settings.kafka is not None or settings.clickhouse is not None:
        return await cluster_operations(settings, registry)[name](**arguments, **reporting)
    folder = DataFolder(settings.data)
    if name != "migrate":
        folder.require()
    try:
        async with open_embedded(settings, registry) as instance:
            return await embedded_operations(instance)[name](**arguments, **reporting)
    except DataInUse:
        return await ask_control(folder.control_socket, name, arguments, **reporting)
