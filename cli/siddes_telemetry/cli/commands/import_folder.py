"""`siddes-telemetry import`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.import_folder import import_folder
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.sizes import count_text
from siddes_telemetry.cli.terminal import exit_on_error, progress_bar
from siddes_telemetry.consumer.importing.importer import RowsDifferError
from siddes_telemetry.web import logs

DIFFERENT = 1  # the exit status where the cluster holds other rows
NOT_IMPORTED = 3  # where it could not import them

app = typer.Typer(add_completion=False)


@app.command("import")
def import_counts(
    data_folder: Annotated[Path, typer.Argument(metavar="DATA_FOLDER", help="The folder of a stopped instance.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be imported. Changes nothing in the cluster.")
    ] = False,
    events: EventsFile = None,
) -> None:
    """Bring the counts of a stopped embedded instance into the cluster, exactly once.

    Needs CLICKHOUSE, with its tables made by `migrate`, and the VIEWER_KEY
    that both have; no Kafka. First it stores what the log of the folder still
    holds. The folder keeps everything. Safe to interrupt and to repeat: what is
    there is not inserted again, and if the folder went on counting, the rest
    is. Counts that have expired are left out. In the end it compares both
    sides by day.

    Exits 1 if the cluster holds other rows under the same offsets, 3 if it
    could not import.
    """
    with exit_on_error(failure=NOT_IMPORTED):
        settings = operator_settings("clickhouse", of_cluster=True, events=events)
        if settings.log_level == "info":
            logs.configure("warning", libraries=False)  # what a service logs as it goes on is no news here
        try:
            with progress_bar("importing") as progress:
                result = asyncio.run(
                    import_folder(settings, load_registry(settings.events), data_folder, progress, dry_run=dry_run)
                )
        except RowsDifferError as differ:
            typer.echo(f"error: {differ}", err=True)
            raise typer.Exit(DIFFERENT) from None
        _show(result["logs"], dry_run=dry_run)


def _show(logs_of_folder: list[dict[str, Any]], *, dry_run: bool) -> None:
    def total(name: str, field: str) -> int:
        return sum(log[name][field] for log in logs_of_folder)

    imported, present = total("imported", "rows"), total("present", "rows")
    expired, purged = (sum(log[f"{why}_rows"] for log in logs_of_folder) for why in ("expired", "purged"))
    verb = "would be imported" if dry_run else "imported"
    typer.echo(f"{_rows(imported, total('imported', 'counts'))} {verb}")
    if present:
        typer.echo(f"{_rows(present, total('present', 'counts'))} already there")
    if expired:
        typer.echo(f"{count_text(expired, 'row')} left out: older than the retention, or will be within the hour")
    if purged:
        typer.echo(f"{count_text(purged, 'row')} left out: purged since the first import")
    if not dry_run:
        days = sum(log["days"] for log in logs_of_folder)
        typer.echo(
            f"both sides are the same on {count_text(days, 'day')}"
            if days
            else "there is nothing to import in this folder"
        )


def _rows(rows: int, counts: int) -> str:
    return f"{count_text(rows, 'row')} ({count_text(counts, 'count')})"
