"""The siddes-telemetry command: what can be typed, and what is printed. What is done stands in the other files."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import jwt
import typer
from prometheus_client import disable_created_metrics

from siddes_telemetry import __version__
from siddes_telemetry.backends.clickhouse_admin import shipped_migrations
from siddes_telemetry.backends.clickhouse_http import parse_server_url
from siddes_telemetry.backends.ports import BackendError, LogMissing, StoreMissing
from siddes_telemetry.cli import process
from siddes_telemetry.cli.control import ControlError
from siddes_telemetry.cli.data_folder import DataInUse
from siddes_telemetry.cli.front import Listen, authentication_problems
from siddes_telemetry.cli.operate import operate
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.serve import (
    consumer_service,
    embedded_service,
    gateway_service,
    gateway_workers_service,
    summary_service,
)
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError, load, unknown_variables
from siddes_telemetry.cli.shapes import EMBEDDED_DATABASE, store_schema
from siddes_telemetry.schemas.codegen import python_enum
from siddes_telemetry.schemas.openapi import Service, openapi
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.viewer import has_email_shape, is_viewer_id
from siddes_telemetry.web import logs

USAGE_ERROR = 2
MAX_TOKEN_HOURS = 24 * 365

app = typer.Typer(
    name="siddes-telemetry",
    help="Privacy-safe counts, exactly once. Settings come from SIDDES_TELEMETRY_… in the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show secrets
)
schema_app = typer.Typer(no_args_is_help=True, help="Print a contract.")
app.add_typer(schema_app, name="schema")

Host = Annotated[str, typer.Option(help="Address to listen on, for both ports.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Public port; 0 takes a free one.")]
AdminPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics.")]
Debug = Annotated[bool, typer.Option("--debug", help="Allow the dev viewer; loopback only.")]


def say(text: str) -> None:
    """To the person at the terminal; standard output is for results."""
    typer.echo(text, err=True)


@contextmanager
def honest_exit() -> Iterator[None]:
    """What can go wrong, as a sentence and an exit status."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            say(f"error: {problem}")
        raise typer.Exit(USAGE_ERROR) from None
    except (LogMissing, StoreMissing):
        say("error: the topic or the tables are not there yet: run siddes-telemetry migrate")
        raise typer.Exit(1) from None
    except (DataInUse, ControlError, BackendError, process.ServiceFailed) as error:
        say(f"error: {error or type(error).__name__}")
        raise typer.Exit(1) from None
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""  # a path of the operator's
        say(f"error: {error.strerror or type(error).__name__}{place}")
        raise typer.Exit(1) from None


def _settings(*needs: str) -> Settings:
    _warn_of_misspelt()
    return load(needs=needs)


def _http_settings(*needs: str, debug: bool = False, host: str) -> Settings:
    """Of a service that authenticates viewers."""

    def problems(settings: Settings) -> Iterator[str]:
        yield from authentication_problems(settings)
        if settings.debug and not _is_loopback(host):
            yield "--debug lets anybody say who they are: it listens on loopback only, such as 127.0.0.1"

    _warn_of_misspelt()
    settings = load(needs=needs, debug=debug, problems_of=problems)
    logs.configure(settings.log_level)
    return settings


def _warn_of_misspelt() -> None:
    for name in unknown_variables():
        say(f"warning: {name} is no setting; is it misspelt?")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Privacy-safe counts, exactly once."""


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_port: AdminPort = 9090,
    data: Annotated[str | None, typer.Option(help="Folder for the log and the store.", show_default="./data")] = None,
    debug: Debug = False,
) -> None:
    """Everything in one process: SQLite log, embedded ClickHouse, gateway, consumer and summary."""
    with honest_exit():
        settings = _http_settings(debug=debug, host=host)
        if data is not None:
            settings = settings.model_copy(update={"data": Path(data)})
        process.run(embedded_service(settings, load_registry(settings.events), Listen(host, port, admin_port), say))


@app.command()
def gateway(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_port: AdminPort = 9090,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
) -> None:
    """HTTP to Kafka: takes counts in."""
    with honest_exit():
        settings = _http_settings("kafka", host=host)
        registry, listen = load_registry(settings.events), Listen(host, port, admin_port)
        if workers == 1:
            process.run(gateway_service(settings, registry, listen, say))
        else:
            process.run(gateway_workers_service(settings, registry, listen, workers, say))


@app.command()
def consumer(host: Host = "127.0.0.1", admin_port: AdminPort = 9091) -> None:
    """Kafka to ClickHouse, exactly once."""
    with honest_exit():
        settings = _settings("kafka", "clickhouse")
        logs.configure(settings.log_level)
        process.run(consumer_service(settings, load_registry(settings.events), host, admin_port, say))


@app.command()
def summary(host: Host = "127.0.0.1", port: Port = 8081, admin_port: AdminPort = 9092) -> None:
    """ClickHouse to HTTP: viewers read their own counts."""
    with honest_exit():
        settings = _http_settings("clickhouse", host=host)
        process.run(summary_service(settings, load_registry(settings.events), Listen(host, port, admin_port), say))


def _operator_settings(*cluster_needs: str) -> Settings:
    """Of a command for either shape: whatever names a broker or a server means a cluster."""
    settings = _settings()
    if settings.kafka is not None or settings.clickhouse is not None:
        settings = load(needs=cluster_needs)
    logs.configure(settings.log_level)
    return settings


def _operate(settings: Settings, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(operate(settings, load_registry(settings.events), operation, arguments))


@app.command()
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    new_log: Annotated[
        bool, typer.Option("--new-log", help="The topic was made anew under its old name: give it a new identity.")
    ] = False,
) -> None:
    """Make the tables and topics what the settings say. Safe to repeat, and to run from many places at once."""
    with honest_exit():
        settings = _operator_settings("kafka", "clickhouse")
        result = _operate(settings, "migrate", {"dry_run": dry_run, "new_log": new_log})
        if "refused" in result:
            raise SettingsError([result["refused"]])
        steps = result["steps"]
        for step in steps:
            typer.echo(step)
        if not steps:
            say("nothing to do: all is as the settings say")
        elif dry_run:
            say(f"{len(steps)} steps would be done")
        else:
            say(f"{len(steps)} steps done")


@app.command()
def purge(
    days: Annotated[int | None, typer.Option(min=0, help="Keep this many days.", show_default="the retention")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove the counts that are older than so many days, exactly and at once."""
    with honest_exit():
        settings = _operator_settings("clickhouse")
        kept_days = settings.retention_days if days is None else days
        if not dry_run:
            say(f"removing counts older than {kept_days} days; this rewrites the parts they are in …")
        gone = _operate(settings, "purge", {"days": kept_days, "dry_run": dry_run})
        verb = "would go" if dry_run else "gone"
        span = f", created {_time(gone['oldest_ms'])} to {_time(gone['newest_ms'])} UTC" if gone["rows"] else ""
        limit = _time(gone["before_ms"])
        typer.echo(f"{gone['rows']} rows ({gone['counts']} counts) {verb}{span}; the limit is {limit} UTC")


@app.command(name="dead-letters")
def dead_letters(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False,
) -> None:
    """List the records that could not be read: place, reason and size, never their bytes."""
    with honest_exit():
        entries = _operate(_operator_settings("kafka"), "dead-letters", {})["dead_letters"]
        if as_json:
            typer.echo(json.dumps(entries))
        elif not entries:
            say("none")
        else:
            typer.echo(f"{'partition':>9}  {'offset':>12}  {'bytes':>8}  reason")
            for entry in entries:
                typer.echo(f"{entry['partition']:>9}  {entry['offset']:>12}  {entry['size']:>8}  {entry['reason']}")


@app.command()
def token(
    viewer: Annotated[str, typer.Option(help="Who the token is for.")],
    hours: Annotated[int, typer.Option(min=1, max=MAX_TOKEN_HOURS, help="How long it holds.")] = 1,
) -> None:
    """Print a JWT for trying out, signed with SIDDES_TELEMETRY_JWT_SECRET."""
    with honest_exit():
        settings = _settings()
        if settings.jwt_secret is None:
            raise SettingsError([f"{PREFIX}JWT_SECRET: must be set"])
        if not is_viewer_id(viewer) or (has_email_shape(viewer) and settings.viewer_key is None):
            raise SettingsError(["--viewer: 1 to 64 of A-Z a-z 0-9 . _ : @ - and no e-mail address"])
        claims: dict[str, Any] = {"sub": viewer, "exp": int(time.time()) + hours * 3600}
        if settings.jwt_issuer is not None:
            claims["iss"] = settings.jwt_issuer
        if settings.jwt_audience is not None:
            claims["aud"] = settings.jwt_audience
        typer.echo(jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256"))


@schema_app.command(name="openapi")
def schema_openapi() -> None:
    """The HTTP API, as OpenAPI 3.1 in JSON."""
    with honest_exit():
        settings = _settings()
        document = openapi(
            frozenset(Service),
            load_registry(settings.events),
            version=__version__,
            session_cookie=settings.session_cookie,
            debug=settings.debug,
        )
        typer.echo(json.dumps(document, indent=2))


@schema_app.command(name="ddl")
def schema_ddl() -> None:
    """The tables, as ClickHouse SQL, for the settings as they are."""
    with honest_exit():
        settings = _settings()
        registry = load_registry(settings.events)
        typer.echo(_ddl(settings, registry))


@schema_app.command(name="python")
def schema_python() -> None:
    """The events, as a Python enum."""
    with honest_exit():
        typer.echo(python_enum(load_registry(_settings().events)), nl=False)


def _ddl(settings: Settings, registry: Registry) -> str:
    database = EMBEDDED_DATABASE
    if settings.clickhouse is not None:
        database = parse_server_url(settings.clickhouse.get_secret_value()).database
    migrations = shipped_migrations(store_schema(settings, registry, database))
    return "\n\n".join(f"{statement};" for migration in migrations for statement in migration.statements)


def _time(epoch_ms: int) -> str:
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def main(run: Callable[[], Any] = app) -> None:
    """The entry point: an interrupted command says so and nothing more."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; a second series a counter, unread
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(130)
