"""The settings of an operator's command, on a cluster or on a data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from siddes_telemetry.cli.commands.command_settings import warn_of_misspelt
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.settings_loader import load_settings, missing_settings
from siddes_telemetry.web import logs


def operator_settings(*cluster_needs: str, of_cluster: bool = False, events: Path | None) -> Settings:
    """Returns the settings. A broker or a server in them means a cluster.

    `cluster_needs`: names that must be set for a cluster. `of_cluster`: the command is for a cluster only. `events`
    overrides EVENTS. Raises SettingsError.
    """

    def problems(settings: Settings) -> Iterator[str]:
        if of_cluster or settings.kafka is not None or settings.clickhouse is not None:
            yield from missing_settings(settings, cluster_needs)

    warn_of_misspelt()
    settings = load_settings(problems_of=problems, events=events)
    logs.configure(settings.log_level, libraries=False)  # the command's own message says what failed
    return settings


def embedded_settings(*, events: Path | None) -> Settings:
    """Returns the settings of a command that is for a data folder only. Raises SettingsError."""
    settings = operator_settings(events=events)
    if settings.kafka is not None or settings.clickhouse is not None:
        raise SettingsError(
            ["this is for an embedded instance, and KAFKA or CLICKHOUSE is set: see Backup in docs/operations.md"]
        )
    return settings
