"""`siddes-telemetry reset-offsets`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.terminal import exit_on_error, format_utc, progress_bar, say
from siddes_telemetry.consumer.lease import OTHERS_END_S

app = typer.Typer(add_completion=False)


@app.command(name="reset-offsets")
def reset_offsets(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be set.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    events: EventsFile = None,
) -> None:
    """Set the consumer group's offsets again after they were lost, or after the topic was made anew.

    Only offsets that do not fit the log and the store are set: to one past the
    last stored row of the partition, or, if the store has no row of this log,
    to the log's first record. Refuses while the group has members (stop all
    consumers), and if the rows are not those of this topic. Asks, then waits
    until no insert of a former consumer can be under way. Afterwards start the
    consumers, and let `verify --repair` insert what a last block may lack.
    """
    with exit_on_error():
        settings = operator_settings("kafka", "clickhouse", of_cluster=True, events=events)
        found = run_operation(settings, "reset-offsets", {})
        changed = _show(found)
        if not changed:
            say("nothing to do: every offset fits the log and the store")
            return
        if found["members"]:
            say(f"the group has {found['members']} members: stop all consumers before offsets are set")
        if dry_run:
            say(f"{changed} offsets would be set")
            return
        if not yes and not found["members"]:
            typer.confirm(f"set {changed} offsets?", abort=True, err=True)
        say(f"waiting {OTHERS_END_S:.0f} s, until no insert of a former consumer can be under way …")
        with progress_bar("waiting") as progress:
            done = run_operation(settings, "reset-offsets", {"confirmed": True}, progress)
        set_now = sum(each["new"] is not None for each in done["partitions"])
        typer.echo(f"{set_now} offsets set: start the consumers; once they have caught up, run verify --repair")


def _show(found: dict[str, Any]) -> int:
    """Print a line for each partition. Returns how many offsets would be set."""
    columns = ("partition", "offset", "log", "last stored", "new offset")
    rows = [columns, *(_cells(each) for each in found["partitions"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    for row in rows:
        typer.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    for each in found["partitions"]:
        if each["lost"]:
            say(f"partition {each['partition']}: the log no longer has {each['lost']} records from the new offset on")
    if found["purged_before_ms"]:
        limit = format_utc(found["purged_before_ms"])
        say(f"rows created before {limit} UTC were purged: those still in the log come back, so purge again afterwards")
    return sum(each["new"] is not None for each in found["partitions"])


def _cells(plan: dict[str, Any]) -> tuple[str, ...]:
    first, end = plan["log"]
    new = "stays" if plan["new"] is None else str(plan["new"])
    return str(plan["partition"]), _or_none(plan["committed"]), f"{first} to {end}", _or_none(plan["last_stored"]), new


def _or_none(offset: int | None) -> str:
    return "none" if offset is None else str(offset)
