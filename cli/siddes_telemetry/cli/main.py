"""The siddes-telemetry command. Each of its subcommands is a module of commands/."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from prometheus_client import disable_created_metrics

from siddes_telemetry.cli.commands import (
    backup,
    dead_letters,
    import_folder,
    migrate,
    plan,
    purge,
    reset_offsets,
    schema,
    services,
    token,
    verify,
)
from siddes_telemetry.cli.version import VERSION

app = typer.Typer(
    name="siddes-telemetry",
    help="Privacy-safe counts, exactly once. Settings come from SIDDES_TELEMETRY_… in the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show secrets
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Privacy-safe counts, exactly once."""


for command in (services, migrate, purge, dead_letters, verify, reset_offsets, backup, import_folder, plan, token):
    app.add_typer(command.app)
app.add_typer(schema.app, name="schema")


def main() -> None:
    """The entry point. An interrupted command exits with status 130 and prints nothing."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; it would add an unread series to each counter
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
