"""BlockStore.insert: a block is inserted as a whole, and once."""

from __future__ import annotations

import traceback

import pytest

from siddes_telemetry.backends.ports.errors import StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.store import StoredDay
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NOON_MS, block, day_of, line, only_day, row

CANARY = "canary-7f3a"
GOOD = '"viewer_id":"42","event":"suggestion_shown","count":1,"created_at":"2026-11-22 10:00:00.000"'
PLACE = '"log_id":7,"log_partition":0,"log_offset":0'


async def stored(backend: StoreUnderTest) -> int:
    return sum(day.rows for day in await backend.store.stored_days(LOG, 0, 0))


async def test_a_block_repeated_under_its_token_counts_once(backend: StoreUnderTest) -> None:
    for _ in range(3):
        await backend.store.insert(block(10), "a", deadline_s=DEADLINE_S)
    assert await backend.store.counts("0", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 10}


async def test_equal_blocks_under_two_tokens_both_count(backend: StoreUnderTest) -> None:
    await backend.store.insert(block(10), "a", deadline_s=DEADLINE_S)
    await backend.store.insert(block(10), "b", deadline_s=DEADLINE_S)
    assert await stored(backend) == 20


async def test_a_block_of_three_days_repeated_counts_once(backend: StoreUnderTest) -> None:
    for _ in range(2):
        await backend.store.insert(block(30, days=3), "a", deadline_s=DEADLINE_S)
    assert [day.rows for day in await backend.store.stored_days(LOG, 0, 0)] == [10, 10, 10]


async def test_a_repeat_adds_only_the_days_that_are_missing(backend: StoreUnderTest) -> None:
    whole = block(30, days=3)
    await backend.store.insert(only_day(whole, day_of(NOON_MS - DAY_MS)), "a", deadline_s=DEADLINE_S)
    await backend.store.insert(whole, "a", deadline_s=DEADLINE_S)
    assert [day.rows for day in await backend.store.stored_days(LOG, 0, 0)] == [10, 10, 10]


async def test_a_day_repeated_alone_changes_nothing(backend: StoreUnderTest) -> None:
    whole = block(30, days=3)
    await backend.store.insert(whole, "a", deadline_s=DEADLINE_S)
    await backend.store.insert(only_day(whole, day_of(NOON_MS)), "a", deadline_s=DEADLINE_S)
    assert [day.rows for day in await backend.store.stored_days(LOG, 0, 0)] == [10, 10, 10]


async def test_a_block_of_a_hundred_days_is_accepted(backend: StoreUnderTest) -> None:
    await backend.store.insert(block(100, days=100), "a", deadline_s=DEADLINE_S)


async def test_a_row_keeps_its_log_partition_and_offset(backend: StoreUnderTest) -> None:
    await backend.store.insert(row(2**63, log_id=2**32 - 1, partition=2**16 - 1), "a", deadline_s=DEADLINE_S)
    assert await backend.store.stored_days(2**32 - 1, 2**16 - 1, 2**63) == [StoredDay(day_of(NOON_MS), 1, 2**63)]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (row(event=CANARY), 691),
        (row(count=0), 469),
        (row(count=25_001), 469),
        (row(viewer=""), 469),
        (row(viewer=CANARY * 10), 469),
        (line(f'{GOOD},{PLACE},"{CANARY}":1'), 117),
        (line(f'"viewer_id":"{CANARY}","count":"x",{PLACE}'), 27),
        (line(f'{GOOD},"log_id":"{CANARY}'), 27),
    ],
    ids=["event", "zero", "high", "nobody", "long", "field", "number", "broken"],
)
async def test_a_refused_block_leaves_nothing_and_is_not_quoted(backend: StoreUnderTest, bad: bytes, code: int) -> None:
    with pytest.raises(StoreRefused) as refusal:
        await backend.store.insert(row(1) + bad, "a", deadline_s=DEADLINE_S)
    assert refusal.value.code in (code, 26, 33)  # where a string ends too soon, versions say so differently
    assert CANARY not in "".join(traceback.format_exception(refusal.value))
    assert await stored(backend) == 0


async def test_a_token_of_a_refused_block_is_not_spent(backend: StoreUnderTest) -> None:
    with pytest.raises(StoreRefused):
        await backend.store.insert(row(count=0), "a", deadline_s=DEADLINE_S)
    await backend.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert await stored(backend) == 1


async def test_an_insert_past_its_deadline_may_be_repeated(backend: StoreUnderTest) -> None:
    large = block(50_000)
    with pytest.raises(StoreUnavailable):
        await backend.store.insert(large, "a", deadline_s=0)
    await backend.store.insert(large, "a", deadline_s=DEADLINE_S)
    assert await stored(backend) == 50_000
