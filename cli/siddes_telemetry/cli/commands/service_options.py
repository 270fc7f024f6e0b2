"""The options that services share, and the settings of a service that answers viewers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.auth_settings import authentication_problems
from siddes_telemetry.cli.commands.command_settings import warn_of_misspelt
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.settings_loader import load_settings
from siddes_telemetry.web import logs
from siddes_telemetry.web.loopback import is_loopback

MAX_DRAIN_DELAY_S = 300  # load balancers probe every 5 to 30 s, and most give up after two to ten failures

Host = Annotated[str, typer.Option(help="Address of the public port.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Public port; 0 takes a free one.")]
AdminHost = Annotated[str, typer.Option(help="Address of the admin port; it needs no authentication.")]
AdminPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics.")]
DrainDelay = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_DRAIN_DELAY_S,
        metavar="SECONDS",
        help="From a stop signal to the close of the public port: not ready, but serving. A second signal ends it.",
    ),
]


def http_settings(*needs: str, debug: bool = False, host: str, events: Path | None) -> Settings:
    """Returns the settings of a service that authenticates viewers. `events` overrides EVENTS. Raises SettingsError."""

    def problems(settings: Settings) -> Iterator[str]:
        yield from authentication_problems(settings)
        if settings.debug and not is_loopback(host):
            yield "--debug lets anybody say who they are: it listens on loopback only, such as 127.0.0.1"

    warn_of_misspelt()
    settings = load_settings(needs=needs, debug=debug, events=events, problems_of=problems)
    logs.configure(settings.log_level)
    return settings
