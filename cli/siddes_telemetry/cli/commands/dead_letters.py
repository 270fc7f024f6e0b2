"""`siddes-telemetry dead-letters`: lists unreadable records, and sets one aside."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.terminal import exit_on_error, say

app = typer.Typer(add_completion=False)

_RECORD = re.compile(r"([0-9]{1,5}):([0-9]{1,18})")  # partition and offset


@app.command(name="dead-letters")
def dead_letters(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False,
    set_aside: Annotated[
        str | None,
        typer.Option(
            metavar="PARTITION:OFFSET",
            help="Let a halted partition go on without the record that it cannot read. Asks first.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --set-aside: do not ask.")] = False,
    events: EventsFile = None,
) -> None:
    """List the records that could not be read: partition, offset, reason and size, never their bytes.

    With --set-aside: let a partition that halts at a record which the
    consumers cannot read go on without it. Its counts are never stored.
    """
    with exit_on_error():
        if set_aside is not None:
            if as_json:
                raise SettingsError(["--json lists; --set-aside does not"])
            _set_aside(set_aside, yes=yes, events=events)
            return
        if yes:
            raise SettingsError(["--yes goes with --set-aside"])
        entries = run_operation(operator_settings("kafka", events=events), "dead-letters", {})["dead_letters"]
        if as_json:
            typer.echo(json.dumps(entries))
        elif not entries:
            say("none")
        else:
            typer.echo(f"{'partition':>9}  {'offset':>12}  {'bytes':>8}  reason")
            for entry in entries:
                typer.echo(f"{entry['partition']:>9}  {entry['offset']:>12}  {entry['size']:>8}  {entry['reason']}")


def _set_aside(record: str, *, yes: bool, events: EventsFile) -> None:
    match = _RECORD.fullmatch(record)
    if match is None:
        raise SettingsError(['--set-aside takes PARTITION:OFFSET, for example 3:120 (see "halts" in /readyz)'])
    partition, offset = int(match[1]), int(match[2])
    settings = operator_settings("kafka", "clickhouse", events=events)
    arguments = {"partition": partition, "offset": offset}
    found = run_operation(settings, "set-aside", arguments)
    if found["state"] == "set_aside":
        typer.echo(f"set aside already: {partition}:{offset}")
        return
    last = found["end"] - 1
    offsets = f"offset {offset}" if last == offset else f"offsets {offset} to {last}, one record batch"
    say(f"partition {partition} halts at {offsets} ({found['reason']}, {found['size']} bytes)")
    if not yes:
        typer.confirm("set it aside? Its counts will not be stored, by any version", abort=True, err=True)
    say("waiting for the consumer that has the partition …")
    if run_operation(settings, "set-aside", {**arguments, "confirmed": True})["state"] == "set_aside":
        typer.echo(f"set aside: partition {partition} goes on from offset {found['end']}")
    else:
        typer.echo(
            "asked for: a consumer that halts there sets it aside within seconds, once it runs and the store answers"
        )
