"""What a developer types: a token for trying out, and the contracts in print."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import jwt
import typer

from siddes_telemetry.backends.clickhouse.admin import shipped_migrations
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.cli.embedded import EMBEDDED_DATABASE
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError
from siddes_telemetry.cli.store import store_schema
from siddes_telemetry.cli.terminal import honest_exit, read_settings
from siddes_telemetry.cli.version import VERSION
from siddes_telemetry.schemas.codegen import python_enum, typescript_union
from siddes_telemetry.schemas.openapi import Api, openapi
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.viewer import has_email_shape, is_subject, is_viewer_id

MAX_TOKEN_HOURS = 24 * 365

app = typer.Typer()
schema_app = typer.Typer(no_args_is_help=True, help="Print a contract.")
app.add_typer(schema_app, name="schema")


@app.command()
def token(
    viewer: Annotated[str, typer.Option(help="Who the token is for.")],
    hours: Annotated[int, typer.Option(min=1, max=MAX_TOKEN_HOURS, help="How long it holds.")] = 1,
) -> None:
    """Print a JWT for trying out, signed with SIDDES_TELEMETRY_JWT_SECRET."""
    with honest_exit():
        settings = read_settings()
        if settings.jwt_secret is None:
            raise SettingsError([f"{PREFIX}JWT_SECRET: must be set"])
        if settings.viewer_key is not None and not is_subject(viewer):
            raise SettingsError(["--viewer: 1 to 255 characters"])
        if settings.viewer_key is None and (not is_viewer_id(viewer) or has_email_shape(viewer)):
            form = "1 to 64 of A-Z a-z 0-9 . _ : @ | + / = ~ - and no e-mail address"
            raise SettingsError([f"--viewer: {form}, unless {PREFIX}VIEWER_KEY is set"])
        claims: dict[str, Any] = {settings.jwt_claim: viewer, "exp": int(time.time()) + hours * 3600}
        if settings.jwt_issuer is not None:
            claims["iss"] = settings.jwt_issuer
        if settings.jwt_audience is not None:
            claims["aud"] = settings.jwt_audience
        typer.echo(jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256"))


@schema_app.command(name="openapi")
def schema_openapi() -> None:
    """The HTTP API, as OpenAPI 3.1 in JSON."""
    with honest_exit():
        settings = read_settings()
        document = openapi(
            frozenset(Api),
            load_registry(settings.events),
            version=VERSION,
            session_cookie=settings.session_cookie,
            debug=settings.debug,
        )
        typer.echo(json.dumps(document, indent=2))


@schema_app.command(name="ddl")
def schema_ddl() -> None:
    """The tables, as ClickHouse SQL, for the settings as they are."""
    with honest_exit():
        settings = read_settings()
        registry = load_registry(settings.events)
        typer.echo(_ddl(settings, registry))


@schema_app.command(name="python")
def schema_python() -> None:
    """The events, as a Python enum."""
    with honest_exit():
        typer.echo(python_enum(load_registry(read_settings().events)), nl=False)


@schema_app.command(name="typescript")
def schema_typescript() -> None:
    """The events, as a TypeScript union."""
    with honest_exit():
        typer.echo(typescript_union(load_registry(read_settings().events)), nl=False)


def _ddl(settings: Settings, registry: Registry) -> str:
    database = EMBEDDED_DATABASE
    if settings.clickhouse is not None:
        database = parse_server_url(settings.clickhouse.get_secret_value()).database
    migrations = shipped_migrations(store_schema(settings, registry, database))
    return "\n\n".join(f"{statement};" for migration in migrations for statement in migration.statements)
