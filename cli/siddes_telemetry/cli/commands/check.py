"""`siddes-telemetry check`: says what is wrong with an event registry, and what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.operations.stored_events import events_of_result
from siddes_telemetry.cli.registry_file import read_registry
from siddes_telemetry.cli.terminal import exit_on_error, say
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_changes import compare, known_events
from siddes_telemetry.schemas.registry_parsing import RegistryError

STORE = "store"

app = typer.Typer(add_completion=False)


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="The registry to look at.", metavar="FILE", show_default="events.toml")
    ] = (Path("events.toml")),
    against: Annotated[
        str | None,
        typer.Option(metavar="FILE|store", help="What it is compared with: an earlier version, or what is stored."),
    ] = None,
) -> None:
    """Say everything that is wrong with an event registry, by line, with the remedy.

    With --against: also what has changed, and what must not. Exits 1 if anything is wrong.
    """
    with exit_on_error():
        registry = _read(file)
        retired = len(registry.events) - len(registry.in_use)
        if against is not None:
            _compare(file, registry, against)
        parts = f"events: {len(registry.events)} (retired: {retired}), rates: {len(registry.rates)}"
        typer.echo(f"{file}: valid, revision {registry.revision}, {parts}")


def _read(file: Path) -> Registry:
    try:
        return read_registry(file)
    except RegistryError as error:
        for problem in error.problems:
            say(f"{file}:{problem.line}: {problem.text}" if problem.line is not None else f"{file}: {problem.text}")
        raise typer.Exit(1) from None


def _compare(file: Path, registry: Registry, against: str) -> None:
    if against == STORE:
        stored = run_operation(operator_settings("clickhouse", events=file), "stored-events", {}, registry=registry)
        before, replaceable = events_of_result(stored), stored.get("never_counted", False)
    else:
        before, replaceable = known_events(_read(Path(against))), False
    if before is None:
        say("the store has no tables yet: any registry will do")
        return
    changes = compare(before, registry)
    if changes.refused and replaceable:
        say("the store has never counted anything: `migrate` and `up` make its table anew for this registry")
        return
    for change in changes.allowed:
        typer.echo(f"{file}: {change}")
    for problem in changes.refused:
        say(f"{file}: {problem}")
    if changes.refused:
        raise typer.Exit(1)
