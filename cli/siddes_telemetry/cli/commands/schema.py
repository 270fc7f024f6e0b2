"""`siddes-telemetry schema`: prints a contract, for developers."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.cli.clickhouse_address import clickhouse_address
from siddes_telemetry.cli.commands.command_settings import EventsFile, read_settings
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.store_schema import EMBEDDED_DATABASE, cluster_schema
from siddes_telemetry.cli.terminal import exit_on_error, say
from siddes_telemetry.cli.version import installed_version
from siddes_telemetry.schemas.codegen_python import python_module
from siddes_telemetry.schemas.codegen_typescript import typescript_module
from siddes_telemetry.schemas.openapi import Api, openapi
from siddes_telemetry.schemas.registry import Registry

_SDK_URL = re.compile(r"(https?://[^\s/]+)?/[^\s/]\S*/batch/?")  # //host would be another origin

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Print a contract.")


@app.command(name="openapi")
def schema_openapi(
    events: EventsFile = None,
) -> None:
    """The HTTP API, as OpenAPI 3.1 in JSON."""
    with exit_on_error():
        settings = read_settings(events=events)
        document = openapi(
            frozenset(Api),
            _registry(settings),
            version=installed_version(),
            session_cookie=settings.session_cookie,
            debug=settings.debug,
        )
        typer.echo(json.dumps(document, indent=2))


@app.command(name="ddl")
def schema_ddl(
    events: EventsFile = None,
) -> None:
    """The tables, as ClickHouse SQL, for the current settings."""
    with exit_on_error():
        settings = read_settings(events=events)
        registry = _registry(settings)
        typer.echo(_ddl(settings, registry))


@app.command(name="python")
def schema_python(
    events: EventsFile = None,
) -> None:
    """A Python module for an app: its events as a type, and clients that take no others."""
    with exit_on_error():
        typer.echo(python_module(_registry(read_settings(events=events))), nl=False)


@app.command(name="typescript")
def schema_typescript(
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the SDK posts to, if not /api/telemetry/batch of the page's origin."),
    ] = None,
    events: EventsFile = None,
) -> None:
    """A module for a TypeScript app: its events as a type, and the SDK made with it."""
    if url is not None and not _SDK_URL.fullmatch(url):
        raise typer.BadParameter("must be the whole address, such as /base/api/telemetry/batch", param_hint="--url")
    with exit_on_error():
        typer.echo(typescript_module(_registry(read_settings(events=events)), url), nl=False)


def _registry(settings: Settings) -> Registry:
    if settings.events is None:
        say("note: these are the shipped events; --events FILE names your own")
    return load_registry(settings.events)


def _ddl(settings: Settings, registry: Registry) -> str:
    database = EMBEDDED_DATABASE
    if settings.clickhouse is not None:
        database = clickhouse_address(settings).database
    migrations = shipped_migrations(cluster_schema(settings, registry, database))
    return "\n\n".join(f"{statement};" for migration in migrations for statement in migration.statements)
