"""The settings of a command, which names the misspelt ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.cli.terminal import say

EventsFile = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Your event registry.", show_default="EVENTS, or the shipped one"),
]


def read_settings(*needs: str, events: Path | None) -> Settings:
    """Returns the settings. `needs`: names that must be set; `events`: overrides EVENTS. Raises SettingsError."""
    warn_of_misspelt()
    return load_settings(needs=needs, events=events)


def warn_of_misspelt() -> None:
    """Say which variables look like settings and are none."""
    for name in unknown_variables():
        say(f"warning: {name} is no setting; is it misspelt?")
