"""CountReader.counts: one viewer's sums."""

from __future__ import annotations

import asyncio
import string

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, StoreUnderTest
from tests.contract.store.blocks import NOON_MS, block, row

LEGAL = string.ascii_letters + string.digits + "._:@-"


async def test_sums_are_by_event_and_only_of_events_that_occurred(backend: StoreUnderTest) -> None:
    rows = row(0, count=25_000) + row(1, count=25_000) + row(2, event="suggestion_undo", count=3)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    counts = await backend.store.counts("42", since_ms=0, deadline_s=DEADLINE_S)
    assert counts == {"suggestion_shown": 50_000, "suggestion_undo": 3}


async def test_a_viewer_sees_no_other_viewers_counts(backend: StoreUnderTest) -> None:
    rows = row(0, viewer="42", count=1) + row(1, viewer="421", count=2) + row(2, viewer="4", count=4)
    await backend.store.insert(rows, "a", deadline_s=DEADLINE_S)
    assert await backend.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
    assert await backend.store.counts("nobody", since_ms=0, deadline_s=DEADLINE_S) == {}


async def test_the_window_begins_with_its_first_millisecond(backend: StoreUnderTest) -> None:
    await backend.store.insert(row(0, at_ms=NOON_MS) + row(1, at_ms=NOON_MS + 1), "a", deadline_s=DEADLINE_S)
    sums = [
        (await backend.store.counts("42", since_ms=since_ms, deadline_s=DEADLINE_S)).get("suggestion_shown", 0)
        for since_ms in (NOON_MS, NOON_MS + 1, NOON_MS + 2)
    ]
    assert sums == [2, 1, 0]


@pytest.mark.parametrize("viewer", [LEGAL[:64], LEGAL[-64:], "-", "a@b", "null", "NaN", "1e3", "0x10", "..", "True"])
async def test_an_odd_but_legal_viewer_round_trips(backend: StoreUnderTest, viewer: str) -> None:
    await backend.store.insert(row(0, viewer=viewer) + row(1, viewer="other"), "a", deadline_s=DEADLINE_S)
    assert await backend.store.counts(viewer, since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}


@pytest.mark.parametrize(
    "viewer",
    ["", "'", "42' OR 1=1 --", "\\", "\\N", "42\\", "42\n42", "42\t", "42\r", "{x:String}", "%s", "\0", "é", '"'],
)
async def test_a_viewer_is_a_value_and_never_sql(backend: StoreUnderTest, viewer: str) -> None:
    await backend.store.insert(row(0, viewer="42"), "a", deadline_s=DEADLINE_S)
    assert await backend.store.counts(viewer, since_ms=0, deadline_s=DEADLINE_S) == {}


async def test_reads_and_inserts_go_side_by_side(backend: StoreUnderTest) -> None:
    async def insert(number: int) -> None:
        await backend.store.insert(block(100, start=number * 100), str(number), deadline_s=DEADLINE_S)

    async def counts() -> int:
        return (await backend.store.counts("0", since_ms=0, deadline_s=DEADLINE_S)).get("suggestion_shown", 0)

    seen = await asyncio.gather(*(insert(number) for number in range(10)), *(counts() for _ in range(10)))
    assert all(count is None or count % 100 == 0 for count in seen)
    assert await counts() == 1000


async def test_a_query_past_its_deadline_is_an_outage_and_not_an_empty_result(backend: StoreUnderTest) -> None:
    with pytest.raises(StoreUnavailable):
        await backend.store.counts("42", since_ms=0, deadline_s=0)
