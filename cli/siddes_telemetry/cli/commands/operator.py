"""What an operator types: migrate, purge, dead-letters."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from siddes_telemetry.cli.operation_target import operate
from siddes_telemetry.cli.operations import MAX_PURGE_DAYS
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.terminal import honest_exit, operator_settings, say

app = typer.Typer()

_PLACE = re.compile(r"([0-9]{1,5}):([0-9]{1,18})")


@app.command()
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    new_log: Annotated[
        bool, typer.Option("--new-log", help="The topic was made anew under its old name: give it a new identity.")
    ] = False,
) -> None:
    """Make the tables and topics what the settings say. Safe to repeat, and to run from many places at once."""
    with honest_exit():
        settings = operator_settings("kafka", "clickhouse")
        result = _operate(settings, "migrate", {"dry_run": dry_run, "new_log": new_log})
        if "refused" in result:
            raise SettingsError([result["refused"]])
        steps = result["steps"]
        for step in steps:
            typer.echo(step)
        if "identities" in result:
            _show_identities(settings.topic, *result["identities"])
        elif not steps:
            say("nothing to do: all is as the settings say")
        if steps and dry_run:
            say(f"{len(steps)} steps would be done")
        elif steps:
            say(f"{len(steps)} steps done")


def _show_identities(topic: str, before: int | None, now: int | None) -> None:
    had = "had no identity" if before is None else f"had the identity {before}"
    would = "would be given a new one" if now is None else f"has {now} now"
    typer.echo(f"topic {topic} {had} and {would}")
    if now is not None and before is not None:
        say("what is stored under the former one stays and counts; `verify` and consumers go by the new one")


@app.command()
def purge(
    days: Annotated[
        int | None, typer.Option(min=0, max=MAX_PURGE_DAYS, help="Keep this many days.", show_default="the retention")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove the counts that are older than so many days, exactly and at once.

    Those that lie more than an hour ahead of now go with them: a clock was
    wrong when they came.
    """
    with honest_exit():
        settings = operator_settings("clickhouse")
        kept_days = settings.retention_days if days is None else days
        if not dry_run:
            say(
                f"removing counts older than {kept_days} days, or more than an hour ahead of now; this rewrites parts …"
            )
        gone = _operate(settings, "purge", {"days": kept_days, "dry_run": dry_run})
        verb = "would go" if dry_run else "gone"
        span = f", created {_time(gone['oldest_ms'])} to {_time(gone['newest_ms'])} UTC" if gone["rows"] else ""
        if gone["ahead_rows"]:
            span += f", {gone['ahead_rows']} of them more than an hour ahead of now"
        limit = _time(gone["before_ms"])
        typer.echo(f"{gone['rows']} rows ({gone['counts']} counts) {verb}{span}; the limit is {limit} UTC")


@app.command(name="dead-letters")
def dead_letters(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False,
    set_aside: Annotated[
        str | None,
        typer.Option(
            metavar="PARTITION:OFFSET",
            help="Have a partition that halts at a record it cannot read go on without it, once you have said yes.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --set-aside: do not ask.")] = False,
) -> None:
    """List the records that could not be read: place, reason and size, never their bytes.

    With --set-aside: have a partition that halts at a record which the
    consumers cannot read go on without it. Its counts are not stored, ever.
    """
    with honest_exit():
        if set_aside is not None:
            if as_json:
                raise SettingsError(["--json lists; --set-aside does not"])
            _set_aside(set_aside, yes=yes)
            return
        if yes:
            raise SettingsError(["--yes goes with --set-aside"])
        entries = _operate(operator_settings("kafka"), "dead-letters", {})["dead_letters"]
        if as_json:
            typer.echo(json.dumps(entries))
        elif not entries:
            say("none")
        else:
            typer.echo(f"{'partition':>9}  {'offset':>12}  {'bytes':>8}  reason")
            for entry in entries:
                typer.echo(f"{entry['partition']:>9}  {entry['offset']:>12}  {entry['size']:>8}  {entry['reason']}")


def _set_aside(place: str, *, yes: bool) -> None:
    match = _PLACE.fullmatch(place)
    if match is None:
        raise SettingsError(['--set-aside takes PARTITION:OFFSET, for example 3:120 (see "halts" in /readyz)'])
    partition, offset = int(match[1]), int(match[2])
    settings = operator_settings("kafka", "clickhouse")
    asked = {"partition": partition, "offset": offset}
    found = _operate(settings, "set-aside", asked)
    if found["state"] == "set_aside":
        typer.echo(f"set aside already: {partition}:{offset}")
        return
    last = found["end"] - 1
    offsets = f"offset {offset}" if last == offset else f"offsets {offset} to {last}, one batch"
    say(f"partition {partition} halts at {offsets} ({found['reason']}, {found['size']} bytes)")
    if not yes:
        typer.confirm("set it aside? Its counts will not be stored, by any version", abort=True, err=True)
    say("waiting for the consumer that has the partition …")
    if _operate(settings, "set-aside", {**asked, "confirmed": True})["state"] == "set_aside":
        typer.echo(f"set aside: partition {partition} goes on from offset {found['end']}")
    else:
        typer.echo(
            "asked for: a consumer that halts there sets it aside within seconds, once it runs and the store answers"
        )


def _operate(settings: Settings, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(operate(settings, load_registry(settings.events), operation, arguments))


def _time(epoch_ms: int) -> str:
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
