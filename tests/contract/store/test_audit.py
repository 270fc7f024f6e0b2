"""StoreAudit: the queries of `verify`. Every store gives the results that Python computes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.backends.ports.store import PurgedAhead, PurgeHistory, RowSelection, RowSums, StoredPartition
from siddes_telemetry.schemas.table import row_checksum
from siddes_telemetry.schemas.timestamps import format_time
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NEVER_MS, NOON_MS, row

EVERYTHING = RowSelection(LOG, 0, 0, 2**63, 0)
VIEWERS = ("42", "a" * 64, "A.b_c:d@e-f")


def lines() -> list[bytes]:
    """Rows of several viewers, days and counts; two are the same."""
    made = [
        row(offset, viewer=viewer, count=count, at_ms=NOON_MS + step_ms - DAY_MS * (offset % 2))
        for offset, (viewer, count, step_ms) in enumerate(zip(VIEWERS, (1, 25_000, 7), (0, 1, 999), strict=True))
    ]
    return [*made, made[0], row(2**53 + 1)]


def sums(of: list[bytes], counts: int) -> RowSums:
    return RowSums(len(of), counts, sum(map(row_checksum, of)) % 2**64)


@pytest.fixture
async def filled(backend: StoreUnderTest) -> StoreUnderTest:
    """Each backend, with these rows and others."""
    beside = row(1, partition=1) + row(2, partition=1) + row(1, log_id=LOG + 1)
    await backend.store.insert(b"".join(lines()) + beside, "a", deadline_s=DEADLINE_S)
    return backend


async def test_sums_are_those_of_the_lines_that_were_inserted(filled: StoreUnderTest) -> None:
    assert await filled.audit.sums(EVERYTHING) == sums(lines(), 1 + 25_000 + 7 + 1 + 1)
    assert await filled.audit.sums(RowSelection(LOG, 0, 3, 3, 0)) == RowSums(0, 0, 0)


async def test_sums_by_range_add_up(filled: StoreUnderTest) -> None:
    all_lines = lines()
    by_range = await filled.audit.sums_by_range(RowSelection(LOG, 0, 1, 2**63, 0), 2)
    assert by_range == {0: sums(all_lines[1:3], 25_007), 2**52: sums(all_lines[4:], 1)}
    assert await filled.audit.sums_by_range(RowSelection(LOG, 0, 0, 1, 0), 1) == {
        0: sums([all_lines[0], all_lines[3]], 2)
    }
    assert await filled.audit.sums_by_range(RowSelection(LOG, 0, 3, 3, 0), 1) == {}


async def test_sums_by_day_add_up(filled: StoreUnderTest) -> None:
    all_lines = lines()
    noon, before = (date.fromisoformat(format_time(at_ms)[:10]) for at_ms in (NOON_MS, NOON_MS - DAY_MS))
    today = sums([all_lines[0], *all_lines[2:]], 1 + 7 + 1 + 1)
    assert await filled.audit.sums_by_day(EVERYTHING) == {before: sums(all_lines[1:2], 25_000), noon: today}
    assert list(await filled.audit.sums_by_day(EVERYTHING)) == [before, noon]
    until = replace(EVERYTHING, before_ms=NOON_MS + 999)
    assert await filled.audit.lines(replace(until, start=2)) == [all_lines[4]]
    assert await filled.audit.sums_by_day(replace(until, since_ms=NOON_MS)) == {
        noon: sums([all_lines[0], *all_lines[3:]], 3)
    }


async def test_rows_are_counted(filled: StoreUnderTest) -> None:
    assert await filled.audit.row_count(EVERYTHING) == 5
    assert await filled.audit.row_count(RowSelection(LOG, 0, 1, 3, 0)) == 2
    assert await filled.audit.row_count(RowSelection(LOG, 0, 0, 5, NOON_MS + 1000)) == 0


async def test_lines_come_back_as_they_were_inserted(filled: StoreUnderTest) -> None:
    assert sorted(await filled.audit.lines(EVERYTHING)) == sorted(lines())


async def test_a_selection_is_half_open_in_offsets_and_begins_at_a_time(filled: StoreUnderTest) -> None:
    all_lines = lines()
    assert await filled.audit.lines(RowSelection(LOG, 0, 1, 2, 0)) == [all_lines[1]]
    assert await filled.audit.sums(RowSelection(LOG, 0, 1, 3, 0)) == sums(all_lines[1:3], 25_007)
    assert await filled.audit.lines(RowSelection(LOG, 0, 0, 5, NOON_MS + 999)) == [all_lines[2]]
    assert await filled.audit.lines(RowSelection(LOG, 0, 0, 5, NOON_MS + 1000)) == []


async def test_stored_partitions_are_those_of_one_log(filled: StoreUnderTest) -> None:
    assert await filled.audit.stored_partitions(LOG) == {
        0: StoredPartition(5, 0, 2**53 + 1),
        1: StoredPartition(2, 1, 2),
    }
    assert await filled.audit.stored_partitions(LOG + 2) == {}


async def test_stored_logs_are_those_that_rows_came_from(backend: StoreUnderTest, filled: StoreUnderTest) -> None:
    assert await filled.audit.stored_logs() == [LOG, LOG + 1]
    await backend.admin.purge(NEVER_MS, NEVER_MS)
    assert await backend.audit.stored_logs() == []


async def test_a_purge_is_recorded(filled: StoreUnderTest) -> None:
    assert await filled.audit.purge_history(LOG) == PurgeHistory() == await filled.store.purge_history(LOG)
    await filled.admin.purge(NOON_MS - DAY_MS + 2, NEVER_MS)
    await filled.admin.purge(1000, NEVER_MS)  # an older purge, of fewer rows
    purged = PurgeHistory(NOON_MS - DAY_MS + 2, ())
    assert await filled.audit.purge_history(LOG) == purged == await filled.store.purge_history(LOG)
    assert (await filled.audit.sums(EVERYTHING)).rows == 4


async def test_a_purge_of_rows_dated_ahead_is_recorded_by_log_partition_and_offset(filled: StoreUnderTest) -> None:
    ahead_ms = NOON_MS + DAY_MS
    ahead = row(5, at_ms=ahead_ms) + row(7, at_ms=ahead_ms) + row(3, partition=1, at_ms=ahead_ms + 1)
    await filled.store.insert(ahead, "b", deadline_s=DEADLINE_S)
    await filled.store.insert(row(9, log_id=LOG + 1, at_ms=ahead_ms), "c", deadline_s=DEADLINE_S)
    for _ in range(2):
        await filled.admin.purge(0, ahead_ms)
    purged = PurgeHistory(0, (PurgedAhead(0, 7, ahead_ms), PurgedAhead(1, 3, ahead_ms)))
    assert await filled.audit.purge_history(LOG) == purged == await filled.store.purge_history(LOG)
    assert await filled.audit.purge_history(LOG + 1) == PurgeHistory(0, (PurgedAhead(0, 9, ahead_ms),))
    assert await filled.audit.row_count(EVERYTHING) == 5

    await filled.store.insert(row(8, at_ms=ahead_ms), "d", deadline_s=DEADLINE_S)
    await filled.admin.purge(0, ahead_ms - 1)
    notes = (PurgedAhead(0, 7, ahead_ms), PurgedAhead(0, 8, ahead_ms - 1), PurgedAhead(1, 3, ahead_ms))
    assert (await filled.audit.purge_history(LOG)).ahead == notes


async def test_a_selection_excludes_rows_that_were_purged_ahead(filled: StoreUnderTest) -> None:
    all_lines = lines()  # of offsets 0, 1, 2, 0 and 2**53 + 1, the second a day before
    without = replace(EVERYTHING, purged_ahead=(PurgedAhead(0, 1, NOON_MS),))
    left, counts = [all_lines[1], all_lines[2], all_lines[4]], 25_008
    assert sorted(await filled.audit.lines(without)) == sorted(left)
    assert await filled.audit.row_count(without) == 3
    assert await filled.audit.sums(without) == sums(left, counts)
    assert await filled.audit.sums_by_range(without, 2**62) == {0: sums(left, counts)}
    more = replace(without, purged_ahead=(*without.purged_ahead, PurgedAhead(0, 2, NOON_MS + 999)))
    assert sorted(await filled.audit.lines(more)) == sorted([all_lines[1], all_lines[4]])
    assert await filled.audit.row_count(replace(more, start=1, end=2)) == 1


async def test_a_purge_that_cannot_be_recorded_removes_nothing(clickhouse: ClickHouseUnderTest) -> None:
    """As after an upgrade before `migrate`."""
    await clickhouse.store.insert(row(1, at_ms=NOON_MS + DAY_MS), "a", deadline_s=DEADLINE_S)
    await clickhouse.run(f"DROP TABLE {clickhouse.schema.table('telemetry_purges_ahead')} SYNC")
    with pytest.raises(StoreMissing):
        await clickhouse.admin.purge(0, NOON_MS + DAY_MS)
    for asked in (clickhouse.store, clickhouse.audit):
        with pytest.raises(StoreMissing):
            await asked.purge_history(LOG)
    assert [day.rows for day in await clickhouse.store.stored_days(LOG, 0, 0)] == [1]


async def test_sync_replicas_returns_at_once_on_a_single_server(filled: StoreUnderTest) -> None:
    await filled.audit.sync_replicas()


async def test_before_migrate_the_table_is_missing(bare: StoreUnderTest) -> None:
    with pytest.raises(StoreMissing):
        await bare.audit.stored_partitions(LOG)
