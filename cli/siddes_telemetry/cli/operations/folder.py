"""Runs an operation on the data folder, or in the process that has it open."""

from __future__ import annotations

from typing import Any

from siddes_telemetry.cli.data_folder import DataFolder, DataInUse
from siddes_telemetry.cli.embedded import open_embedded
from siddes_telemetry.cli.operations.control_socket import ask_control
from siddes_telemetry.cli.operations.embedded import embedded_operations
from siddes_telemetry.cli.operations.operation import JUDGING_RECORDS, Result
from siddes_telemetry.cli.operations.stored_events import events_of_result, require_own_events
from siddes_telemetry.cli.operator_error import OperatorError
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_changes import known_events


async def run_on_folder(
    settings: Settings, registry: Registry, name: str, arguments: dict[str, Any], reporting: dict[str, Progress]
) -> Result:
    """Returns its result. Only `migrate` makes a data folder.

    Raises SettingsError, BackendError, ControlError, DataMissing, OSError.
    """
    folder = DataFolder(settings.data)
    if name != "migrate":
        folder.require()
    try:
        async with open_embedded(settings, registry) as instance:
            if name in JUDGING_RECORDS:
                await require_own_events(instance.store.counts, registry)
            return await embedded_operations(instance)[name](**arguments, **reporting)
    except DataInUse:
        if name == "migrate" and settings.events is not None:
            await _require_running_registry(folder, registry)
        return await ask_control(folder.control_socket, name, arguments, **reporting)


async def _require_running_registry(folder: DataFolder, registry: Registry) -> None:
    """Raise OperatorError if the running instance has another registry: it would migrate by its own."""
    running = events_of_result(await ask_control(folder.control_socket, "stored-events", {}))
    if running != known_events(registry):
        raise OperatorError(
            "the running instance has another registry, which is read at its start: stop it and start it with this "
            "one. `up` migrates by itself"
        )
