"""BlockStore.stored_days: which rows recovery finds before it inserts."""

from __future__ import annotations

from siddes_telemetry.backends.ports.store import StoredDay
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, day_of, row

TODAY, BEFORE = day_of(NOON_MS), day_of(NOON_MS - DAY_MS)


async def test_rows_are_grouped_by_table_day_in_order(backend: StoreUnderTest) -> None:
    rows = row(5) + row(6, at_ms=NOON_MS - DAY_MS) + row(7) + row(7)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await backend.store.stored_days(LOG, 0, 0) == [StoredDay(BEFORE, 1, 6), StoredDay(TODAY, 3, 7)]


async def test_rows_before_the_offset_are_excluded(backend: StoreUnderTest) -> None:
    await backend.store.insert(row(5) + row(6), "a", deadline_s=DEADLINE_S)
    assert await backend.store.stored_days(LOG, 0, 6) == [StoredDay(TODAY, 1, 6)]
    assert await backend.store.stored_days(LOG, 0, 7) == []


async def test_other_partitions_and_other_logs_are_excluded(backend: StoreUnderTest) -> None:
    rows = row(1) + row(2, partition=1) + row(3, log_id=LOG + 1)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await backend.store.stored_days(LOG, 0, 0) == [StoredDay(TODAY, 1, 1)]
    assert await backend.store.stored_days(LOG, 1, 0) == [StoredDay(TODAY, 1, 2)]
    assert await backend.store.stored_days(LOG + 1, 0, 0) == [StoredDay(TODAY, 1, 3)]


async def test_the_last_millisecond_of_a_day_belongs_to_that_day(backend: StoreUnderTest) -> None:
    midnight = NOON_MS + DAY_MS // 2
    await backend.store.insert(row(0, at_ms=midnight - 1) + row(1, at_ms=midnight), "a", deadline_s=DEADLINE_S)
    assert [day.day for day in await backend.store.stored_days(LOG, 0, 0)] == [day_of(NOON_MS), day_of(midnight)]
