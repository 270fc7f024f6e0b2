"""Compares a chunk with the store row by row: counts missing and surplus rows by offset, and repairs missing ones."""

from __future__ import annotations

from collections import Counter

from siddes_telemetry.backends.ports.store import RowSelection
from siddes_telemetry.consumer.verify.context import VerifyContext
from siddes_telemetry.consumer.verify.expected import Expected
from siddes_telemetry.consumer.verify.report import PartitionReport
from siddes_telemetry.schemas.table import row_day_and_offset


async def enter_differences(
    expected: Expected, selection: RowSelection, report: PartitionReport, context: VerifyContext
) -> None:
    """Enter into the report how the rows of a selection differ from the expected ones; repair if the context allows it.

    A partition in trouble is not repaired: its offsets do not name the same records as its rows do. An offset with
    surplus rows is not repaired either: the operator decides which rows are right.

    Raises StoreUnavailable; with repair, StoreRefused or TooManyMissingError too.
    """
    lines = await context.audit.lines(selection)
    # Read after the rows: a purge is written down before it removes any.
    exclusions = await context.exclusions_of(selection.partition)
    stored = Counter(line for line in lines if not exclusions.has(line))
    wanted = Counter(line for created_at, line in expected.rows if not exclusions.has_created(created_at, line))
    missing, surplus = _by_offset(wanted - stored), _by_offset(stored - wanted)
    report.add_differences(missing, surplus)
    if missing and context.repair is not None and report.trouble is None:
        clean = Counter({line: times for line, times in wanted.items() if row_day_and_offset(line)[1] not in surplus})
        report.repaired += await context.repair(selection, clean)


def _by_offset(lines: Counter[bytes]) -> Counter[int]:
    by_offset: Counter[int] = Counter()
    for line, times in lines.items():
        by_offset[row_day_and_offset(line)[1]] += times
    return by_offset
