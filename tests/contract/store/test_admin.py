"""StoreAdmin: migrate, log ids, purge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from siddes_telemetry.backends.ports.administration import PurgeTotals
from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.backends.ports.store import StoredDay
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import DAY_MS, LOG, NEVER_MS, NOON_MS, block, row

NOTHING = PurgeTotals(0, 0, None, None, 0)
AHEAD_MS = NOON_MS + 5 * DAY_MS

Question = Callable[[StoreUnderTest], Awaitable[object]]
QUESTIONS: dict[str, Question] = {
    "ping of inserts": lambda backend: backend.store.ping_insert(),
    "ping of summaries": lambda backend: backend.store.ping_summary(),
    "insert": lambda backend: backend.store.insert(row(), "a", deadline_s=DEADLINE_S),
    "counts": lambda backend: backend.store.counts("42", since_ms=0, deadline_s=DEADLINE_S),
    "counts by step": lambda backend: backend.store.counts_by_step(
        "42", since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S
    ),
    "counts by window": lambda backend: backend.store.counts_by_window("42", starts_ms=[0], deadline_s=DEADLINE_S),
    "stored_days": lambda backend: backend.store.stored_days(LOG, 0, 0),
    "log_id": lambda backend: backend.store.log_id("log"),
    "purge_history": lambda backend: backend.store.purge_history(LOG),
    "purge": lambda backend: backend.admin.purge(NOON_MS, NEVER_MS),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
async def test_before_migrate_the_table_is_missing(bare: StoreUnderTest, question: Question) -> None:
    with pytest.raises(StoreMissing):
        await question(bare)


async def test_migrate_runs_what_was_pending_and_then_nothing(bare: StoreUnderTest) -> None:
    pending = await bare.admin.pending()
    assert pending
    assert await bare.admin.migrate() == pending
    assert await bare.admin.pending() == []
    assert await bare.admin.migrate() == []
    await bare.store.ping_insert()
    await bare.store.ping_summary()
    assert await bare.store.stored_days(0, 0, 0) == []


async def test_many_migrate_at_once(bare: StoreUnderTest) -> None:
    await asyncio.gather(*(bare.admin.migrate() for _ in range(8)))
    assert await bare.admin.pending() == []
    await bare.store.insert(row(), "a", deadline_s=DEADLINE_S)


async def test_a_log_keeps_its_id(backend: StoreUnderTest) -> None:
    assert await backend.store.log_id("log") is None
    identity = await backend.admin.adopt_log("log")
    assert 0 <= identity < 2**32
    assert await backend.admin.adopt_log("log") == identity == await backend.store.log_id("log")


async def test_logs_have_different_ids(backend: StoreUnderTest) -> None:
    assert await backend.admin.adopt_log("one") != await backend.admin.adopt_log("two's \\ and\ttabs")
    assert await backend.store.log_id("two's \\ and\ttabs") is not None


async def test_a_new_log_of_the_same_name_gets_another_id(backend: StoreUnderTest) -> None:
    first = await backend.admin.adopt_log("log")
    second = await backend.admin.adopt_log("log", new=True)
    assert second != first
    assert await backend.store.log_id("log") == second


async def test_a_log_with_its_own_id_keeps_it(backend: StoreUnderTest) -> None:
    assert await backend.admin.adopt_log("log", log_id=5) == 5
    assert await backend.admin.adopt_log("log", log_id=6) == 5
    assert await backend.admin.adopt_log("log", new=True, log_id=6) == 6


async def test_processes_that_adopt_a_log_at_once_agree(backend: StoreUnderTest) -> None:
    identities = await asyncio.gather(*(backend.admin.adopt_log("log") for _ in range(8)))
    assert len(set(identities)) == 1
    assert await backend.store.log_id("log") == identities[0]


async def test_purge_removes_older_rows_to_the_millisecond(backend: StoreUnderTest) -> None:
    rows = row(0, at_ms=NOON_MS - 1, count=3) + row(1, at_ms=NOON_MS - DAY_MS, count=4) + row(2, at_ms=NOON_MS)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    gone = PurgeTotals(rows=2, counts=7, oldest_ms=NOON_MS - DAY_MS, newest_ms=NOON_MS - 1, ahead_rows=0)
    assert await backend.admin.purgeable(NOON_MS, NEVER_MS) == gone
    assert await backend.admin.purge(NOON_MS, NEVER_MS) == gone
    assert await backend.admin.purgeable(NOON_MS, NEVER_MS) == NOTHING
    assert await backend.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}


async def test_purge_removes_rows_dated_ahead_to_the_millisecond(backend: StoreUnderTest) -> None:
    rows = row(0, at_ms=NOON_MS - 1, count=3) + row(1, at_ms=AHEAD_MS, count=4) + row(2, at_ms=AHEAD_MS - 1)
    rows += row(3, at_ms=AHEAD_MS + 40 * DAY_MS, partition=1, count=5)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    gone = PurgeTotals(rows=3, counts=12, oldest_ms=NOON_MS - 1, newest_ms=AHEAD_MS + 40 * DAY_MS, ahead_rows=2)
    assert await backend.admin.purgeable(NOON_MS, AHEAD_MS) == gone
    assert await backend.admin.purge(NOON_MS, AHEAD_MS) == gone
    assert await backend.admin.purge(NOON_MS, AHEAD_MS) == NOTHING
    assert await backend.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}


async def test_purge_removes_rows_dated_ahead_if_none_is_old(backend: StoreUnderTest) -> None:
    await backend.store.insert(row(1, at_ms=AHEAD_MS) + row(2), "a", deadline_s=DEADLINE_S)
    gone = await backend.admin.purge(NOON_MS - 36_500 * DAY_MS, AHEAD_MS)
    assert (gone.rows, gone.ahead_rows) == (1, 1)
    assert [day.rows for day in await backend.store.stored_days(LOG, 0, 0)] == [1]


async def test_a_dry_run_removes_nothing(backend: StoreUnderTest) -> None:
    await backend.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert (await backend.admin.purgeable(NOON_MS + 1, NEVER_MS)).rows == 1
    assert (await backend.admin.purgeable(0, NOON_MS)).ahead_rows == 1
    assert (await backend.store.stored_days(LOG, 0, 0))[0].rows == 1


async def test_tokens_outlive_a_purge(backend: StoreUnderTest) -> None:
    kept = block(10)
    old = row(10, viewer="old", at_ms=NOON_MS - 1) + row(11, viewer="ahead", at_ms=NOON_MS + DAY_MS)
    await backend.store.insert(kept + old, "a", deadline_s=DEADLINE_S)
    await backend.admin.purge(NOON_MS, NOON_MS + DAY_MS)
    await backend.store.insert(kept + old, "a", deadline_s=DEADLINE_S)
    stored: list[StoredDay] = list(await backend.store.stored_days(LOG, 0, 0))
    assert [day.rows for day in stored] == [10]
