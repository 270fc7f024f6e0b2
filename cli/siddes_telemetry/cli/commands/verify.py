"""What an operator types to have the store held against the log."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from siddes_telemetry.cli.operation_target import operate
from siddes_telemetry.cli.operations import MAX_VERIFY_HOURS
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.terminal import honest_exit, operator_settings, say
from siddes_telemetry.consumer.verify.context import Progress

DIFFERENT = 1  # the exit status where log and store differ
NOT_VERIFIED = 3  # where that could not be found out

app = typer.Typer()

COLUMNS = {  # of the table: heading, and field of the report
    "partition": "partition",
    "records": "records",
    "rows": "rows",
    "counts": "counts",
    "missing": "missing",
    "surplus": "surplus",
    "in doubt": "in_doubt",
    "lag": "lag",
}


@app.command()
def verify(
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=MAX_VERIFY_HOURS,
            help="What was appended in the last so many hours.",
            show_default="all the log has",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table, with more in it.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Insert what is missing, once you have said yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --repair: do not ask.")] = False,
) -> None:
    """Hold the store against the log, row by row, while everything goes on.

    Exits 1 on any difference, 3 where it could not look. For each partition:
    what the records below the group's committed offset must have left, by the
    rules the consumers go by (less client retries and dead letters), against the rows that the store
    holds of these offsets: how many, their sum, and a checksum of every row.
    Above that offset a declared block is in doubt and the rest is lag: neither
    is a difference. Left out, and said: what the log no longer has, the ten
    minutes after its beginning (they may repeat batches that are gone), and
    what is so old that it may have expired, or was purged.

    It proves the way from the log to the store. It does not prove that what a
    client sent reached the log (a 200 says that), nor that the log itself lost
    nothing (its replicas and its disk answer for that).
    """
    with honest_exit(failure=NOT_VERIFIED):
        settings = operator_settings("kafka", "clickhouse")
        report = _verify(settings, {"hours": hours})
        missing = sum(partition["missing"] for partition in report["partitions"])
        if repair and missing:
            _show(report, as_json=False, out=say)
            if not yes:
                typer.confirm(f"insert the {missing} missing rows?", abort=True, err=True)
            repaired = _verify(settings, {"hours": hours, "repair": missing})
            say(f"{sum(partition['repaired'] for partition in repaired['partitions'])} rows inserted; verifying again")
            report = _verify(settings, {"hours": hours})
        _show(report, as_json=as_json, out=typer.echo)
        if not report["ok"]:
            raise typer.Exit(DIFFERENT)


def _verify(settings: Settings, arguments: dict[str, Any]) -> dict[str, Any]:
    with _progress_bar() as progress:
        return asyncio.run(operate(settings, load_registry(settings.events), "verify", arguments, progress))


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with typer.progressbar(length=1, label="reading the log", file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(1, total)
            bar.update(done - bar.pos)

        yield show


def _show(report: dict[str, Any], *, as_json: bool, out: Callable[[str], None]) -> None:
    if as_json:
        out(json.dumps(report))
        return
    for line in table(report):
        out(line)


def table(report: dict[str, Any]) -> Iterable[str]:
    """The report as lines for a terminal."""
    partitions = report["partitions"]
    total = {field: sum(partition[field] for partition in partitions) for field in COLUMNS.values()}
    rows = [list(COLUMNS), *([f"{p[field]:,}" for field in COLUMNS.values()] for p in partitions)]
    rows.append(["all", *(f"{total[field]:,}" for field in list(COLUMNS.values())[1:])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    for partition in partitions:
        yield from _notes(partition)
    yield from _left_out(report)
    if any(partition["lag"] for partition in partitions):
        yield "lag: nobody has begun to store these; if it does not shrink, /readyz of the consumers says why"
    yield "store and log agree" if report["ok"] else "store and log differ"


def _notes(partition: dict[str, Any]) -> Iterator[str]:
    name = f"partition {partition['partition']}"
    if partition["trouble"]:
        yield f"{name}: {partition['trouble']} (see docs/operations.md)"
    if partition["missing_dead_letters"]:
        yield f"{name}: {partition['missing_dead_letters']} unreadable records are not among the dead letters"
    for place in partition["places"]:
        yield f"{name}, offset {place['offset']}: {place['missing']} missing, {place['surplus']} surplus"


def _left_out(report: dict[str, Any]) -> Iterator[str]:
    partitions = report["partitions"]
    repeated, dead = (sum(p[field] for p in partitions) for field in ("repeated_batches", "dead_letters"))
    yield f"rightly not stored: {repeated:,} repeated client batches, {dead:,} unreadable records"
    earlier, old = (sum(p[field] for p in partitions) for field in ("earlier_rows", "left_out_rows"))
    since = f"{datetime.fromtimestamp(report['since_ms'] / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    yield f"left out: {earlier:,} rows stored of earlier offsets, {old:,} rows created before {since} UTC or purged"
