"""`siddes-telemetry up`, `gateway`, `consumer` and `summary`: they run until they are stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.consumer import consumer_service
from siddes_telemetry.cli.services.embedded import embedded_service
from siddes_telemetry.cli.services.gateway import gateway_service
from siddes_telemetry.cli.services.gateway_workers import gateway_workers_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.summary import summary_service
from siddes_telemetry.cli.terminal import exit_on_error, http_settings, read_settings, say
from siddes_telemetry.web import logs

app = typer.Typer()

Host = Annotated[str, typer.Option(help="Address of the public port.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Public port; 0 takes a free one.")]
AdminHost = Annotated[str, typer.Option(help="Address of the admin port; it needs no authentication.")]
AdminPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics.")]
Debug = Annotated[bool, typer.Option("--debug", help="Allow the dev viewer; loopback only.")]


@app.command()
def up(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9090,
    data: Annotated[str | None, typer.Option(help="Folder for the log and the store.", show_default="./data")] = None,
    debug: Debug = False,
) -> None:
    """Everything in one process: SQLite log, embedded ClickHouse, gateway, consumer and summary."""
    with exit_on_error():
        settings = http_settings(debug=debug, host=host)
        if data is not None:
            settings = settings.model_copy(update={"data": Path(data)})
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        runtime.run(embedded_service(settings, load_registry(settings.events), listen, say))


@app.command()
def gateway(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9090,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
) -> None:
    """HTTP to Kafka: accepts counts."""
    with exit_on_error():
        settings = http_settings("kafka", host=host)
        registry = load_registry(settings.events)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        if workers == 1:
            runtime.run(gateway_service(settings, registry, listen, say))
        else:
            runtime.run(gateway_workers_service(settings, registry, listen, workers, say))


@app.command()
def consumer(
    host: Annotated[  # noqa: ARG001  # older command lines give it
        str, typer.Option(help="Without effect: there is no public port.", show_default=False)
    ] = "",
    port: Annotated[int, typer.Option(hidden=True)] = 0,  # noqa: ARG001  # the three services take the same options
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9091,
) -> None:
    """Kafka to ClickHouse, exactly once. It has no public port."""
    with exit_on_error():
        settings = read_settings("kafka", "clickhouse")
        logs.configure(settings.log_level)
        runtime.run(consumer_service(settings, load_registry(settings.events), Address(admin_host, admin_port), say))


@app.command()
def summary(
    host: Host = "127.0.0.1", port: Port = 8081, admin_host: AdminHost = "127.0.0.1", admin_port: AdminPort = 9092
) -> None:
    """ClickHouse to HTTP: viewers read their own counts."""
    with exit_on_error():
        settings = http_settings("clickhouse", host=host)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        runtime.run(summary_service(settings, load_registry(settings.events), listen, say))
