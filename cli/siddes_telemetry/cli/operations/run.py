"""Runs an operation where the settings say: on the cluster, on the data folder, or in the process that has it open."""

from __future__ import annotations

import asyncio
from typing import Any

from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.schemas.registry import Registry


def run_operation(
    settings: Settings,
    name: str,
    arguments: dict[str, Any],
    progress: Progress | None = None,
    *,
    registry: Registry | None = None,
) -> Result:
    """Returns its result. Only operations WITH_PROGRESS take `progress`. Only `migrate` makes a data folder.

    `registry`: that of the settings, where it was read already; a pipe can be read once.

    Raises SettingsError, BackendError, ControlError, DataMissing, OSError.
    """
    reporting = {"progress": progress} if progress is not None else {}
    return asyncio.run(_run(settings, registry or load_registry(settings.events), name, arguments, reporting))


async def _run(
    settings: Settings, registry: Registry, name: str, arguments: dict[str, Any], reporting: dict[str, Progress]
) -> Result:
    if settings.kafka is not None or settings.clickhouse is not None:
        from siddes_telemetry.cli.operations.cluster import cluster_operations  # noqa: PLC0415  # loads drivers

        return await cluster_operations(settings, registry)[name](**arguments, **reporting)
    from siddes_telemetry.cli.operations.folder import run_on_folder  # noqa: PLC0415  # loads other drivers

    return await run_on_folder(settings, registry, name, arguments, reporting)
