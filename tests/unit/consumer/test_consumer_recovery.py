from __future__ import annotations

from datetime import date

import pytest

from siddes_telemetry.backends.ports.store import PurgedAhead, PurgeHistory, StoredDay
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, ROWS_BEYOND
from siddes_telemetry.consumer.intent import GroupState
from siddes_telemetry.consumer.recovery import (
    Plan,
    Replay,
    Resume,
    days_to_insert,
    plan_recovery,
    purged_in_part,
)

DAY, NEXT_DAY = date(2026, 11, 22), date(2026, 11, 23)


def held(last_offset: int, rows: int = 1, day: date = DAY) -> StoredDay:
    return StoredDay(day, rows, last_offset)


@pytest.mark.parametrize(
    ("state", "stored", "first", "end", "plan"),
    [
        # without an intent
        (GroupState(0), [], 0, 0, Resume(0)),
        (GroupState(5), [], 0, 9, Resume(5)),
        (GroupState(9), [], 0, 9, Resume(9)),
        (GroupState(5), [], 7, 9, Resume(7, lost=2)),
        (GroupState(5), [held(5)], 0, 9, ROWS_BEYOND),
        (GroupState(5), [held(8), held(5, day=NEXT_DAY)], 7, 9, ROWS_BEYOND),
        (GroupState(10), [], 0, 9, OFFSET_BEYOND),
        # with one
        (GroupState(5, 8), [], 0, 9, Replay(5, 8, 5)),
        (GroupState(5, 8), [held(7)], 0, 9, Replay(5, 8, 5)),
        (GroupState(5, 8), [held(6), held(7, day=NEXT_DAY)], 0, 8, Replay(5, 8, 5)),
        (GroupState(5, 8), [held(8)], 0, 9, ROWS_BEYOND),
        (GroupState(5, 8), [held(6), held(8, day=NEXT_DAY)], 0, 9, ROWS_BEYOND),
        (GroupState(5, 8), [], 6, 9, Replay(5, 8, 6, lost=1)),
        (GroupState(5, 8), [], 8, 9, Resume(8, lost=3)),
        (GroupState(5, 8), [held(8)], 9, 9, ROWS_BEYOND),
        (GroupState(10, 12), [], 0, 9, OFFSET_BEYOND),
        # an intent beyond the end of the log, which no log loses
        (GroupState(5, 8), [], 0, 7, OFFSET_BEYOND),
        (GroupState(5, 8), [held(7)], 0, 5, OFFSET_BEYOND),
    ],
)
def test_the_plan_fits_what_the_group_and_the_store_say(
    state: GroupState, stored: list[StoredDay], first: int, end: int, plan: Plan
) -> None:
    assert plan_recovery(state, stored, first=first, end=end) == plan


def test_every_halt_says_what_the_operator_can_do() -> None:
    for halt in (ROWS_BEYOND, OFFSET_BEYOND):
        assert "migrate --new-log" in halt.remedy


def test_days_that_are_there_whole_are_not_inserted_again() -> None:
    expected = {"2026-11-23": 2, "2026-11-22": 3}

    assert days_to_insert(expected, []) == ["2026-11-22", "2026-11-23"]
    assert days_to_insert(expected, [held(7, rows=3)]) == ["2026-11-23"]
    assert days_to_insert(expected, [held(7, rows=3), held(7, rows=2, day=NEXT_DAY)]) == []
    assert days_to_insert(expected, [held(7, rows=2)]) == ["2026-11-22", "2026-11-23"], "a shard lacks its part"


DAY_MS = 86_400_000
DAY_BEGINS_MS = (DAY - date(1970, 1, 1)).days * DAY_MS


@pytest.mark.parametrize(
    ("purged", "in_part"),
    [
        (PurgeHistory(), False),
        (PurgeHistory(DAY_BEGINS_MS - 1), False),
        (PurgeHistory(DAY_BEGINS_MS + 1), True),
        (PurgeHistory(0, (PurgedAhead(3, 7, DAY_BEGINS_MS + DAY_MS - 1),)), True),
        (PurgeHistory(0, (PurgedAhead(3, 7, DAY_BEGINS_MS + DAY_MS),)), False),
        (PurgeHistory(0, (PurgedAhead(3, 6, DAY_BEGINS_MS),)), False),
        (PurgeHistory(0, (PurgedAhead(2, 7, DAY_BEGINS_MS),)), False),
        (PurgeHistory(0, (PurgedAhead(3, 6, 0), PurgedAhead(3, 9, DAY_BEGINS_MS))), True),
    ],
)
def test_a_day_is_purged_in_part_where_rows_of_it_and_of_later_offsets_may_be(
    purged: PurgeHistory, *, in_part: bool
) -> None:
    assert purged_in_part(DAY.isoformat(), purged, partition=3, from_offset=7) is in_part
