"""The settings of a command, which names the misspelt ones."""

from __future__ import annotations

from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.cli.terminal import say


def read_settings(*needs: str) -> Settings:
    """Returns the settings. `needs`: names that must be set. Raises SettingsError."""
    warn_of_misspelt()
    return load_settings(needs=needs)


def warn_of_misspelt() -> None:
    """Say which variables look like settings and are none."""
    for name in unknown_variables():
        say(f"warning: {name} is no setting; is it misspelt?")
