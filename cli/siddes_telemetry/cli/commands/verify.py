"""`siddes-telemetry verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.commands.verify_table import verify_table
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.operations.verify import MAX_VERIFY_HOURS
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.sizes import count_text
from siddes_telemetry.cli.terminal import exit_on_error, progress_bar, say

DIFFERENT = 1  # the exit status where log and store differ
NOT_VERIFIED = 3  # where it could not compare them

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=MAX_VERIFY_HOURS,
            help="Only what was appended in the last HOURS.",
            show_default="all the log has",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table, with more fields.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Insert missing rows. Asks first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --repair: do not ask.")] = False,
    events: EventsFile = None,
) -> None:
    """Compare the store with the log, row by row, while everything goes on.

    Exits 1 on any difference, 3 if it could not compare. For each partition,
    the records below the group's committed offset say which rows must be
    stored, by the same rules as the consumers (no client retries, no dead
    letters). They are compared with the stored rows of these offsets: their
    number, their sum, and a checksum of every row. Above that offset, the
    block whose intent is committed is in doubt, and the rest is lag: neither is
    a difference.
    Left out, and counted: what the log no longer has, the first ten minutes of
    a trimmed log (they may repeat batches that are gone), and rows that may
    have expired or were purged.

    This proves the way from the log to the store. It does not prove that a
    client's counts reached the log (a 200 says that), nor that the log itself
    lost nothing (its replicas and its disk answer for that).
    """
    with exit_on_error(failure=NOT_VERIFIED):
        settings = operator_settings("kafka", "clickhouse", events=events)
        report = _verify(settings, {"hours": hours})
        missing = sum(partition["missing"] for partition in report["partitions"])
        if repair and missing:
            _show(report, as_json=False, out=say)
            if not yes:
                typer.confirm(f"insert the {missing} missing rows?", abort=True, err=True)
            repaired = _verify(settings, {"hours": hours, "repair": missing})
            inserted = sum(partition["repaired"] for partition in repaired["partitions"])
            say(f"{count_text(inserted, 'row')} inserted; verifying again")
            report = _verify(settings, {"hours": hours})
        _show(report, as_json=as_json, out=typer.echo)
        if not report["ok"]:
            raise typer.Exit(DIFFERENT)


def _verify(settings: Settings, arguments: dict[str, Any]) -> dict[str, Any]:
    with progress_bar("reading the log") as progress:
        return run_operation(settings, "verify", arguments, progress)


def _show(report: dict[str, Any], *, as_json: bool, out: Callable[[str], None]) -> None:
    for line in [json.dumps(report)] if as_json else verify_table(report):
        out(line)
