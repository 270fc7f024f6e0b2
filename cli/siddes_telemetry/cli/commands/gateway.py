"""`siddes-telemetry gateway`: runs until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.service_options import AdminHost, AdminPort, DrainDelay, Host, Port, http_settings
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.gateway import gateway_service
from siddes_telemetry.cli.services.gateway_workers import gateway_workers_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.terminal import exit_on_error, say

app = typer.Typer(add_completion=False)


@app.command()
def gateway(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9090,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
    drain_delay: DrainDelay = 0,
    events: EventsFile = None,
) -> None:
    """HTTP to Kafka: accepts counts."""
    with exit_on_error():
        settings = http_settings("kafka", host=host, events=events)
        registry = load_registry(settings.events)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        if workers == 1:
            service = gateway_service(settings, registry, listen, say)
        else:
            service = gateway_workers_service(settings, registry, listen, workers, say, drain_delay_s=drain_delay)
        runtime.run(service, drain_delay_s=drain_delay)
