"""`verify` judges by the committed offset and intent, and reports where these do not fit the log or the store."""

from __future__ import annotations

from dataclasses import replace

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.intent import encode_intent
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.consumer.verify.verify_harness import (
    stored_world,
    verified_partition,
)


@in_virtual_time
async def test_rows_of_a_declared_block_are_in_doubt_and_later_records_are_lag() -> None:
    world = await stored_world()
    await world.append_viewers("viewer-d", "viewer-e", "viewer-f")
    world.log.set_committed(0, Committed(4, encode_intent(6)))
    report = await verified_partition(world)
    assert (report.ok, report.in_doubt, report.lag, report.judged_to) == (True, 2, 1, 4)
    stray = replace(world.store.rows[0], viewer_id="viewer-d", offset=4)  # the first row of that block
    world.store.rows.append(stray)
    assert (await verified_partition(world)).ok
    world.store.rows.append(replace(stray, offset=6))  # nobody can have inserted this
    report = await verified_partition(world)
    assert (report.trouble, report.surplus) == ("rows_beyond_offset", 1)


@in_virtual_time
async def test_lost_group_offsets_are_reported_as_trouble() -> None:
    world = await stored_world()
    world.log.forget_offsets()
    report = await verified_partition(world)
    assert (report.trouble, report.surplus, report.ok) == ("rows_beyond_offset", 5, False)


@in_virtual_time
async def test_a_recreated_topic_is_reported_as_trouble() -> None:
    world = await stored_world()
    world.log._partitions[0].records.clear()
    world.log._partitions[0].next = 0
    report = await verified_partition(world)
    assert (report.trouble, report.surplus) == ("offset_beyond_log", 5)


@in_virtual_time
async def test_metadata_of_another_version_is_reported_as_trouble() -> None:
    world = await stored_world()
    world.log.set_committed(0, Committed(4, '{"v":2}'))
    report = await verified_partition(world)
    assert (report.trouble, report.missing, report.ok) == ("unknown_intent", 0, False)
