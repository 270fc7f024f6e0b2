"""Offsets that fit again, by what is stored and what the log has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.intent import GroupState, encode_intent
from siddes_telemetry.consumer.offset_reset import PartitionOffsets, ResetRefused, fitting_offset, plan_offsets
from tests.fakes.consumer_process import LOG_NAME, REGISTRY, World
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import drain, stored_world, verified


@pytest.mark.parametrize(
    ("state", "last_stored", "first", "end", "new"),
    [
        # the group was lost, or rewound
        (None, 5, 0, 9, 6),
        (None, 8, 0, 9, 9),
        (GroupState(2), 5, 0, 9, 6),
        (GroupState(2, 4), 5, 0, 9, 6),
        # it fits
        (None, None, 0, 9, None),
        (None, None, 7, 9, None),
        (None, 5, 6, 9, None),  # a consumer begins at the log's first record
        (GroupState(6), 5, 0, 9, None),
        (GroupState(9), 5, 0, 9, None),
        (GroupState(3, 7), 5, 0, 9, None),
        (GroupState(4), None, 0, 9, None),
        # the log was truncated behind the last row
        (GroupState(12), 5, 0, 9, 6),
        (GroupState(8, 12), 8, 0, 9, 9),
        # an offset of a former topic
        (GroupState(12), None, 0, 9, 0),
        (GroupState(12), None, 3, 9, 3),
    ],
)
def test_the_offset_goes_behind_the_last_row_where_it_does_not_fit(
    state: GroupState | None, last_stored: int | None, first: int, end: int, new: int | None
) -> None:
    assert fitting_offset(state, first=first, end=end, last_stored=last_stored, log_has_rows=True) == new


@pytest.mark.parametrize(
    ("state", "new"), [(None, None), (GroupState(3), None), (GroupState(4), 3), (GroupState(12), 3)]
)
def test_a_log_without_any_row_is_stored_from_its_first_record(state: GroupState | None, new: int | None) -> None:
    assert fitting_offset(state, first=3, end=9, last_stored=None, log_has_rows=False) == new


@pytest.mark.parametrize("state", [None, GroupState(2), GroupState(12)])
def test_rows_beyond_the_end_of_the_log_are_another_logs(state: GroupState | None) -> None:
    with pytest.raises(ResetRefused, match="migrate --new-log"):
        fitting_offset(state, first=0, end=9, last_stored=9, log_has_rows=True)


async def planned(world: World) -> list[PartitionOffsets]:
    log_id = await world.store.adopt_log(LOG_NAME)
    return await plan_offsets(world.log, log_id, world.store, REGISTRY)


@in_virtual_time
async def test_after_a_reset_everything_is_stored_once_again() -> None:
    world = await stored_world(partitions=2)  # the last record of each has no rows of its own
    assert [plan.new for plan in await planned(world)] == [None, None]
    world.log.forget_offsets()
    await world.append_viewers("viewer-d")
    plans = await planned(world)
    assert [plan.new for plan in plans] == [plan.last_stored + 1 for plan in plans if plan.last_stored is not None]
    for plan in plans:
        assert plan.new is not None
        world.log.set_committed(plan.partition, Committed(plan.new, ""))
    await drain(world)
    assert (await verified(world)).ok
    assert [plan.new for plan in await planned(world)] == [None, None]


@in_virtual_time
async def test_rows_that_the_topics_records_do_not_have_are_another_topics() -> None:
    world = await stored_world()
    world.log.forget_offsets()
    world.store.rows[-1] = replace(world.store.rows[-1], count=49)
    with pytest.raises(ResetRefused, match="the topic was made anew"):
        await planned(world)


@in_virtual_time
async def test_what_another_version_committed_is_not_touched() -> None:
    world = await stored_world()
    world.log.set_committed(0, Committed(1, '{"v":2}'))
    with pytest.raises(ResetRefused, match="run the consumer version that wrote it"):
        await planned(world)


@in_virtual_time
async def test_records_that_the_log_has_dropped_behind_the_last_row_are_told() -> None:
    world = await stored_world()
    last = max(each.offset for each in world.store.rows)
    world.log.set_committed(0, Committed(0, encode_intent(1)))
    world.log.trim(0, last + 2)
    (plan,) = await planned(world)
    assert (plan.new, plan.lost) == (last + 1, 1)
