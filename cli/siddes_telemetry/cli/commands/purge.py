"""`siddes-telemetry purge`."""

from __future__ import annotations

from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.purge import MAX_PURGE_DAYS
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.sizes import count_text
from siddes_telemetry.cli.terminal import exit_on_error, format_utc, say

app = typer.Typer(add_completion=False)


@app.command()
def purge(
    days: Annotated[
        int | None, typer.Option(min=0, max=MAX_PURGE_DAYS, help="Keep this many days.", show_default="the retention")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    events: EventsFile = None,
) -> None:
    """Remove the counts that are older than this number of days, exactly and at once.

    Counts that lie more than an hour ahead of now are removed too: a clock was
    wrong when they were stored.
    """
    with exit_on_error():
        settings = operator_settings("clickhouse", events=events)
        kept_days = settings.retention_days if days is None else days
        if not dry_run:
            kept = count_text(kept_days, "day")
            say(f"removing counts older than {kept}, or more than an hour ahead of now; this rewrites parts …")
        gone = run_operation(settings, "purge", {"days": kept_days, "dry_run": dry_run})
        verb = "would go" if dry_run else "gone"
        span = ""
        if gone["rows"]:
            span = f", created {format_utc(gone['oldest_ms'])} to {format_utc(gone['newest_ms'])} UTC"
        if gone["ahead_rows"]:
            span += f", {gone['ahead_rows']} of them more than an hour ahead of now"
        limit = format_utc(gone["before_ms"])
        rows, counts = count_text(gone["rows"], "row"), count_text(gone["counts"], "count")
        typer.echo(f"{rows} ({counts}) {verb}{span}; the limit is {limit} UTC")
