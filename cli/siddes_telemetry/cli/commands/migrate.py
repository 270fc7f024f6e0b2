"""`siddes-telemetry migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import operator_settings
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.sizes import count_text
from siddes_telemetry.cli.terminal import exit_on_error, say

app = typer.Typer(add_completion=False)

MAX_LOG_ID = 2**32 - 1  # the column is a UInt32


@app.command()
def migrate(
    *,
    topics: Annotated[
        bool, typer.Option("--topics", help="Only Kafka's topics. With --dry-run: what others must make.")
    ] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Only ClickHouse's tables, and the identity of the log named TOPIC.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    new_log: Annotated[
        bool, typer.Option("--new-log", help="The topic was deleted and created again: give it a new identity.")
    ] = False,
    log_id: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_LOG_ID,
            help="Cluster mode: the identity of the log, where the table telemetry_logs was lost.",
            show_default="the one that rows have, or a new one",
        ),
    ] = None,
    events: EventsFile = None,
) -> None:
    """Create or change topics and tables as the settings say. Safe to repeat, and to run in several places at once.

    In cluster mode --topics or --store does one half; with neither, or with both, everything is done.
    """
    both = topics == store
    if (new_log or log_id is not None) and topics and not both:
        raise typer.BadParameter(
            "the store holds the log's identity: --new-log and --log-id do not go with --topics alone"
        )
    with exit_on_error():
        needs = ("kafka", "clickhouse") if both else ("kafka",) if topics else ("clickhouse",)
        settings = operator_settings(*needs, of_cluster=topics or store or log_id is not None, events=events)
        half = {} if both else {"topics": topics, "store": store}
        given = {} if log_id is None else {"log_id": log_id}
        result = run_operation(settings, "migrate", {"dry_run": dry_run, "new_log": new_log, **half, **given})
        if "refused" in result:
            raise SettingsError([result["refused"]])
        steps, notes = result["steps"], result.get("notes", ())
        for step in steps:
            typer.echo(step)
        if "identities" in result:
            _show_identities(settings.topic, *result["identities"])
        for note in notes:
            say(f"note: {note}")
        if steps and dry_run:
            say(f"{count_text(len(steps), 'step')} would be done")
        elif steps:
            say(f"{count_text(len(steps), 'step')} done")
        elif "identities" not in result:
            say("nothing more to do" if notes else "nothing to do: all is as the settings say")


def _show_identities(topic: str, before: int | None, now: int | None) -> None:
    had = "had no identity" if before is None else f"had the identity {before}"
    would = "would be given a new one" if now is None else f"has {now} now"
    typer.echo(f"topic {topic} {had} and {would}")
    if now is not None and before is not None:
        say("what is stored under the old identity stays and counts; consumers and `verify` use the new one")
