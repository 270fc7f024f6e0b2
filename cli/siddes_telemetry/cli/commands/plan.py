"""`siddes-telemetry plan`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from siddes_telemetry.cli.capacity.advice import make_plan
from siddes_telemetry.cli.capacity.workload import (
    DEFAULT_EVENTS_PER_BATCH,
    MAX_EVENTS_PER_SECOND,
    MAX_RETENTION_DAYS,
    MAX_VIEWERS,
    Workload,
)
from siddes_telemetry.cli.commands.command_settings import EventsFile, read_settings
from siddes_telemetry.cli.commands.plan_table import plan_table
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.terminal import exit_on_error
from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS

app = typer.Typer(add_completion=False)


@app.command()
def plan(  # noqa: PLR0917  # typer's options are parameters
    events_per_second: Annotated[
        int, typer.Option(min=1, max=MAX_EVENTS_PER_SECOND, help="Events a second, in the busiest ten minutes.")
    ],
    viewers: Annotated[int, typer.Option(min=1, max=MAX_VIEWERS, help="Viewers who are active in a day.")],
    retention_days: Annotated[
        int, typer.Option(min=1, max=MAX_RETENTION_DAYS, help="Days that counts are kept: RETENTION_DAYS.")
    ],
    events_per_batch: Annotated[
        int, typer.Option(min=1, max=MAX_BATCH_EVENTS, help="Events of one client batch, on average.")
    ] = DEFAULT_EVENTS_PER_BATCH,
    rows_per_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_BATCH_EVENTS,
            help="Different events of one client batch, on average.",
            show_default="as many as events, at most all of the registry",
        ),
    ] = None,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="VIEWER_KEY is set: ids have 64 characters.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    events: EventsFile = None,
) -> None:
    """Say what a workload needs: partitions, processes, memory, disk, and the settings to type.

    Connects to nothing. docs/capacity.md shows the formulas and the measurements behind them.
    """
    with exit_on_error():
        different = min(events_per_batch, len(load_registry(read_settings(events=events).events).events))
        if rows_per_batch is not None and rows_per_batch > different:
            raise SettingsError([f"--rows-per-batch: a batch has {different} different events at most here"])
        rows = rows_per_batch or different
        load = Workload(events_per_second, viewers, retention_days, events_per_batch, rows, pseudonyms=pseudonyms)
        made = make_plan(load)
        for line in [json.dumps(asdict(made), indent=2)] if as_json else plan_table(made):
            typer.echo(line)
