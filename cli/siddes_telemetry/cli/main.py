"""The siddes-telemetry command. lazy_commands.py lists its subcommands, each a module of commands/."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from siddes_telemetry.cli.lazy_commands import LazyGroup
from siddes_telemetry.cli.version import installed_version

app = typer.Typer(
    cls=LazyGroup,
    name="siddes-telemetry",
    help="Privacy-safe counts, exactly once. Settings come from SIDDES_TELEMETRY_… in the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show secrets
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version())
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Privacy-safe counts, exactly once."""


def main() -> None:
    """The entry point. An interrupted command exits with status 130 and prints nothing."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
