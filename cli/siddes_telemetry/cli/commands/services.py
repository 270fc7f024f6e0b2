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

MAX_DRAIN_DELAY_S = 300  # load balancers probe every 5 to 30 s, and most give up after two to ten failures

app = typer.Typer()

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
Debug = Annotated[bool, typer.Option("--debug", help="Allow the dev viewer; loopback only.")]


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
) -> None:
    """Everything in one process: SQLite log, embedded ClickHouse, gateway, consumer and summary."""
    with exit_on_error():
        settings = http_settings(debug=debug, host=host)
        if data is not None:
            settings = settings.model_copy(update={"data": Path(data)})
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        service = embedded_service(settings, load_registry(settings.events), listen, say)
        runtime.run(service, drain_delay_s=drain_delay)


@app.command()
def gateway(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9090,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
    drain_delay: DrainDelay = 0,
) -> None:
    """HTTP to Kafka: accepts counts."""
    with exit_on_error():
        settings = http_settings("kafka", host=host)
        registry = load_registry(settings.events)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        if workers == 1:
            service = gateway_service(settings, registry, listen, say)
        else:
            service = gateway_workers_service(settings, registry, listen, workers, say, drain_delay_s=drain_delay)
        runtime.run(service, drain_delay_s=drain_delay)


@app.command()
def consumer(
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
) -> None:
    """Kafka to ClickHouse, exactly once. It has no public port."""
    with exit_on_error():
        settings = read_settings("kafka", "clickhouse")
        logs.configure(settings.log_level)
        runtime.run(consumer_service(settings, load_registry(settings.events), Address(admin_host, admin_port), say))


@app.command()
def summary(
    host: Host = "127.0.0.1",
    port: Port = 8081,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 9092,
    drain_delay: DrainDelay = 0,
) -> None:
    """ClickHouse to HTTP: viewers read their own counts."""
    with exit_on_error():
        settings = http_settings("clickhouse", host=host)
        listen = Listen(Address(host, port), Address(admin_host, admin_port))
        service = summary_service(settings, load_registry(settings.events), listen, say)
        runtime.run(service, drain_delay_s=drain_delay)
