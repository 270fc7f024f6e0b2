"""StoreAudit: what `verify` asks, answered by every store as Python would."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.ports import Extent, StoreMissing, Stretch, Sums
from siddes_telemetry.schemas.table import row_checksum
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, row

EVERYTHING = Stretch(LOG, 0, 0, 2**63, 0)
VIEWERS = ("42", "a" * 64, "A.b_c:d@e-f")


def lines() -> list[bytes]:
    """Rows of several viewers, days and counts; two are the same."""
    made = [
        row(offset, viewer=viewer, count=count, at_ms=NOON_MS + step_ms - DAY_MS * (offset % 2))
        for offset, (viewer, count, step_ms) in enumerate(zip(VIEWERS, (1, 25_000, 7), (0, 1, 999), strict=True))
    ]
    return [*made, made[0], row(2**53 + 1)]


def sums(of: list[bytes], counts: int) -> Sums:
    return Sums(len(of), counts, sum(map(row_checksum, of)) % 2**64)


@pytest.fixture
async def filled(backend: StoreUnderTest) -> StoreUnderTest:
    """Each backend, with these rows, and others beside them."""
    beside = row(1, partition=1) + row(2, partition=1) + row(1, log_id=LOG + 1)
    await backend.store.insert(b"".join(lines()) + beside, "a", deadline_s=DEADLINE_S)
    return backend


async def test_sums_are_those_of_the_lines_that_were_inserted(filled: StoreUnderTest) -> None:
    assert await filled.audit.sums(EVERYTHING) == sums(lines(), 1 + 25_000 + 7 + 1 + 1)
    assert await filled.audit.sums(Stretch(LOG, 0, 3, 3, 0)) == Sums(0, 0, 0)


async def test_sums_are_told_by_ranges_of_offsets_and_add_up(filled: StoreUnderTest) -> None:
    all_lines = lines()
    by_range = await filled.audit.sums_by_range(Stretch(LOG, 0, 1, 2**63, 0), 2)
    assert by_range == {0: sums(all_lines[1:3], 25_007), 2**52: sums(all_lines[4:], 1)}
    assert await filled.audit.sums_by_range(Stretch(LOG, 0, 0, 1, 0), 1) == {0: sums([all_lines[0], all_lines[3]], 2)}
    assert await filled.audit.sums_by_range(Stretch(LOG, 0, 3, 3, 0), 1) == {}


async def test_rows_are_counted(filled: StoreUnderTest) -> None:
    assert await filled.audit.row_count(EVERYTHING) == 5
    assert await filled.audit.row_count(Stretch(LOG, 0, 1, 3, 0)) == 2
    assert await filled.audit.row_count(Stretch(LOG, 0, 0, 5, NOON_MS + 1000)) == 0


async def test_lines_come_back_as_they_were_inserted(filled: StoreUnderTest) -> None:
    assert sorted(await filled.audit.lines(EVERYTHING)) == sorted(lines())


async def test_a_stretch_is_half_open_in_offsets_and_begins_at_a_time(filled: StoreUnderTest) -> None:
    all_lines = lines()
    assert await filled.audit.lines(Stretch(LOG, 0, 1, 2, 0)) == [all_lines[1]]
    assert await filled.audit.sums(Stretch(LOG, 0, 1, 3, 0)) == sums(all_lines[1:3], 25_007)
    assert await filled.audit.lines(Stretch(LOG, 0, 0, 5, NOON_MS + 999)) == [all_lines[2]]
    assert await filled.audit.lines(Stretch(LOG, 0, 0, 5, NOON_MS + 1000)) == []


async def test_extents_are_told_by_partition_of_one_log(filled: StoreUnderTest) -> None:
    assert await filled.audit.extents(LOG) == {0: Extent(5, 0, 2**53 + 1), 1: Extent(2, 1, 2)}
    assert await filled.audit.extents(LOG + 2) == {}


async def test_a_purge_leaves_a_mark(filled: StoreUnderTest) -> None:
    assert await filled.audit.purged_before_ms() == 0
    await filled.admin.purge(NOON_MS - DAY_MS + 2)
    await filled.admin.purge(1000)  # an older one, which says less
    assert await filled.audit.purged_before_ms() == NOON_MS - DAY_MS + 2
    assert (await filled.audit.sums(EVERYTHING)).rows == 4


async def test_catching_up_waits_for_nothing_on_a_lone_store(filled: StoreUnderTest) -> None:
    await filled.audit.catch_up()


async def test_before_migrate_the_table_is_missing(bare: StoreUnderTest) -> None:
    with pytest.raises(StoreMissing):
        await bare.audit.extents(LOG)
