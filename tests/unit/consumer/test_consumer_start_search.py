"""How many offsets before the log's hint reading begins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from siddes_telemetry.consumer.retry_window.start_search import (
    FIRST_STEP_OFFSETS,
    MARGIN_OFFSETS,
    StartSearch,
    search_start,
)
from siddes_telemetry.schemas.record import LogRecord
from tests.fakes.consumer_process import DAY_MS, NOON_MS
from tests.fakes.memory_log import MemoryLog, MemoryPartition

RECORDS = 10_000  # one a second


def search(times_ms: Iterable[int], at_ms: int) -> StartSearch:
    """The search for a record that follows records with these append times."""
    log = MemoryLog()
    partition = log.partition(0)
    partition.records = [LogRecord(offset, each_ms, b"", ()) for offset, each_ms in enumerate(times_ms)]
    partition.next = len(partition.records)
    return asyncio.run(search_start(MemoryPartition(log, 0, 0), partition.next, at_ms))


def seconds() -> list[int]:
    return [NOON_MS + 1000 * second for second in range(RECORDS)]


NEXT_MS = NOON_MS + 1000 * RECORDS


@pytest.mark.parametrize("back_ms", [0, 5, 5000])
def test_with_clocks_that_go_on_the_first_place_is_a_little_beyond_ten_minutes(back_ms: int) -> None:
    found = search(seconds(), NEXT_MS - back_ms)
    first, *further = found.candidates(by_max_time=False)

    assert first == RECORDS - 600 - back_ms // 1000 - MARGIN_OFFSETS
    assert found.is_by_time(first)
    assert not found.is_by_time(further[0])
    assert further[-1] == 0


def test_one_record_from_the_future_makes_nobody_read_as_far_back_as_it_is() -> None:
    times_ms = seconds()
    times_ms[100] += 3 * DAY_MS
    found = search(times_ms, NEXT_MS)

    assert list(found.candidates(by_max_time=False)) == [RECORDS - FIRST_STEP_OFFSETS * 2**n for n in range(4)] + [0]
    assert list(found.candidates(by_max_time=True)) == [100 - MARGIN_OFFSETS, 0]


def test_after_a_leader_whose_clock_was_ahead_nobody_reads_as_far_back_as_the_same_time_was() -> None:
    ahead = [NOON_MS + 9_000_000 + 1000 * second for second in range(5000)]
    found = search([*seconds()[: RECORDS // 2], *ahead, *seconds()[RECORDS // 2 :]], NEXT_MS)

    assert next(found.candidates(by_max_time=False)) == 15_000 - FIRST_STEP_OFFSETS
    assert next(found.candidates(by_max_time=True)) == 5400 - MARGIN_OFFSETS


def test_where_times_name_nothing_a_little_is_read() -> None:
    found = search([NOON_MS - DAY_MS] * RECORDS, NOON_MS)

    assert next(found.candidates(by_max_time=False)) == RECORDS - MARGIN_OFFSETS


def test_of_a_trimmed_log_the_last_place_is_its_beginning() -> None:
    assert list(StartSearch(7, 20, 7, times_rise=True).candidates(by_max_time=False)) == [7]
    assert list(StartSearch(30, 20, 20, times_rise=True).candidates(by_max_time=False)) == [20]
