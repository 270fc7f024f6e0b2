"""`siddes-telemetry summary`: runs until it is stopped."""

from __future__ import annotations

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.service_options import AdminHost, AdminPort, DrainDelay, Host, Port, http_settings
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.summary import summary_service
from siddes_telemetry.cli.terminal import exit_on_error, say

app = typer.Typer(add_completion=False)


@app.command()
def summary(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8081,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9092,
    drain_delay: DrainDelay = 0,
    events: EventsFile = None,
) -> None:
    """ClickHouse to HTTP: viewers read their own counts."""
    with exit_on_error():
        settings = http_settings("clickhouse", host=host, events=events)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        service = summary_service(settings, load_registry(settings.events), listen, say)
        runtime.run(service, drain_delay_s=drain_delay)
