"""Each record lies in one region of the log."""

from __future__ import annotations

from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.verify.regions import Region, Regions
from siddes_telemetry.consumer.verify.scope import Scope
from siddes_telemetry.schemas.record import LogRecord
from tests.fakes.consumer_process import MINUTE_MS
from tests.fakes.memory_log import MemoryLog

SOURCE = Source(1, 0)


async def regions(*, judge_from: int, stored_to: int, trimmed: bool = False) -> Regions:
    (view,) = await MemoryLog().partitions()
    return Regions(scope(view, judge_from, stored_to, trimmed=trimmed))


def scope(view: PartitionView, judge_from: int, stored_to: int, *, trimmed: bool) -> Scope:
    return Scope(view, SOURCE, 0, judge_from, stored_to, stored_to, set_aside=None, trimmed=trimmed)


def record(offset: int, minute: int = 0) -> LogRecord:
    return LogRecord(offset, minute * MINUTE_MS, b"", ())


def found(regions: Regions, *records: LogRecord) -> list[tuple[Region, list[int]]]:
    return [(region, [each.offset for each in run]) for region, run in regions.divide(records)]


async def test_offsets_divide_history_from_judged_records_and_these_from_the_declared_block() -> None:
    divided = found(await regions(judge_from=2, stored_to=4), *map(record, range(6)))
    assert divided == [(Region.HISTORY, [0, 1]), (Region.JUDGED, [2, 3]), (Region.IN_DOUBT, [4, 5])]


async def test_no_run_is_empty() -> None:
    divider = await regions(judge_from=0, stored_to=9)
    assert found(divider) == []
    assert found(divider, record(3)) == [(Region.JUDGED, [3])]


async def test_the_first_ten_minutes_of_a_trimmed_log_are_uncertain() -> None:
    divider = await regions(judge_from=0, stored_to=99, trimmed=True)
    assert found(divider, *(record(minute, minute) for minute in range(6))) == [(Region.UNCERTAIN, list(range(6)))]
    assert found(divider, *(record(minute, minute) for minute in range(6, 13))) == [
        (Region.UNCERTAIN, list(range(6, 11))),
        (Region.JUDGED, [11, 12]),
    ]
