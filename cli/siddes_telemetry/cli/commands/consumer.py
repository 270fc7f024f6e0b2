"""`siddes-telemetry consumer`: runs until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile, read_settings
from siddes_telemetry.cli.commands.service_options import MAX_DRAIN_DELAY_S, AdminHost, AdminPort
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.consumer import consumer_service
from siddes_telemetry.cli.services.listeners import Address
from siddes_telemetry.cli.terminal import exit_on_error, say
from siddes_telemetry.web import logs

app = typer.Typer(add_completion=False)


@app.command()
def consumer(
    *,
    host: Annotated[  # noqa: ARG001  # older command lines give it
        str, typer.Option(help="Without effect: there is no public port.", show_default=False)
    ] = "",
    port: Annotated[int, typer.Option(hidden=True)] = 0,  # noqa: ARG001  # the three services take the same options
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9091,
    drain_delay: Annotated[  # noqa: ARG001  # a consumer that leaves its group later helps nobody
        int,
        typer.Option(
            min=0,
            max=MAX_DRAIN_DELAY_S,
            metavar="SECONDS",
            help="Without effect: there is no public port.",
            show_default=False,
        ),
    ] = 0,
    events: EventsFile = None,
) -> None:
    """Kafka to ClickHouse, exactly once. It has no public port."""
    with exit_on_error():
        settings = read_settings("kafka", "clickhouse", events=events)
        logs.configure(settings.log_level)
        runtime.run(consumer_service(settings, load_registry(settings.events), Address(admin_host, admin_port), say))
