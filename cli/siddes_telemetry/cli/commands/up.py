"""`siddes-telemetry up`: runs until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.service_options import AdminHost, AdminPort, DrainDelay, Host, Port, http_settings
from siddes_telemetry.cli.operations.migrate import retention_notes
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.embedded import embedded_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.terminal import exit_on_error, say

Debug = Annotated[bool, typer.Option("--debug", help="Allow the dev viewer; loopback only.")]

app = typer.Typer(add_completion=False)


@app.command()
def up(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9090,
    data: Annotated[str | None, typer.Option(help="Folder for the log and the store.", show_default="./data")] = None,
    drain_delay: DrainDelay = 0,
    debug: Debug = False,
    events: EventsFile = None,
) -> None:
    """Everything in one process: SQLite log, embedded ClickHouse, gateway, consumer and summary."""
    with exit_on_error():
        settings = http_settings(debug=debug, host=host, events=events)
        if data is not None:
            settings = settings.model_copy(update={"data": Path(data)})
        for note in retention_notes(settings.retention_days):
            say(f"note: {note}")
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        service = embedded_service(settings, load_registry(settings.events), listen, say)
        runtime.run(service, drain_delay_s=drain_delay)
