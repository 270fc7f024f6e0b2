"""The table that `siddes-telemetry verify` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from siddes_telemetry.cli.terminal import format_utc

COLUMNS = {  # heading, and field of the report
    "partition": "partition",
    "records": "records",
    "rows": "rows",
    "counts": "counts",
    "missing": "missing",
    "surplus": "surplus",
    "in doubt": "in_doubt",
    "lag": "lag",
}


def verify_table(report: dict[str, Any]) -> Iterable[str]:
    """Returns the report as lines for a terminal."""
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
        yield "lag: no consumer has begun to store these; if it does not shrink, /readyz of the consumers says why"
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
    since = format_utc(report["since_ms"])
    yield f"left out: {earlier:,} rows stored of earlier offsets, {old:,} rows created before {since} UTC or purged"
