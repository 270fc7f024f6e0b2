"""The lag metrics while nothing is fetched."""

from __future__ import annotations

import asyncio

from structlog.typing import EventDict

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.partition_metrics import LAG_UPDATE_S
from siddes_telemetry.schemas.record import Defect, LogRecord
from tests.fakes.consumer_process import ACCEPTED, NOON_MS, SHOWN, Sent, World, key, one
from tests.fakes.virtual_time import in_virtual_time, until


@in_virtual_time
async def test_the_lag_grows_while_the_store_is_away() -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("stored")
    await until(world.drained)
    world.store.down = StoreUnavailable()
    await world.append_viewers("first")
    await until(lambda: process.consumer.blocked_by() is not None)
    await world.append_viewers("second", "third")
    world.log.now_ms += 60_000
    await asyncio.sleep(2 * LAG_UPDATE_S)
    assert process.metric("lag_records", partition="0") == 3
    assert process.metric("lag_seconds", partition="0") >= 60
    world.store.down = None
    await until(world.drained)
    await until(lambda: process.metric("lag_records", partition="0") == 0)
    await process.stop()


@in_virtual_time
async def test_freshness_is_the_age_of_each_row_when_it_is_stored() -> None:
    world = await World.make()
    process = world.start()
    world.store.down = StoreUnavailable()
    await world.append(Sent(key(1), "viewer", {SHOWN: 3, ACCEPTED: 1}, NOON_MS))
    await world.append_bad(one("bad", NOON_MS))
    await until(lambda: process.consumer.blocked_by() is not None)
    world.log.now_ms += 40_000
    world.store.down = None
    await until(world.drained)
    assert process.metric("dead_letters_total", reason="rows_header") == 1
    assert process.metric("freshness_seconds_count") == 2
    assert process.metric("freshness_seconds_bucket", le="30.0") == 0
    assert process.metric("freshness_seconds_bucket", le="60.0") == 2
    assert 80 <= process.metric("freshness_seconds_sum") < 120
    await process.stop()


@in_virtual_time
async def test_the_lag_of_a_partition_is_shown_from_when_it_is_given_also_while_the_store_is_away() -> None:
    world = await World.make(partitions=2)
    await world.append_viewers("first", "second")
    world.store.down = StoreUnavailable()
    process = world.start()
    await asyncio.sleep(2 * LAG_UPDATE_S)
    assert [process.metric("lag_records", partition=number) for number in "01"] == [2, 0]
    assert process.metric("partitions_owned") == 2
    await world.append_viewers("third")
    await asyncio.sleep(2 * LAG_UPDATE_S)
    assert process.metric("lag_records", partition="0") == 3
    await asyncio.sleep(60)
    assert [process.metric("lag_seconds", partition=number) >= 60 for number in "01"] == [True, False]
    world.store.down = None
    await until(lambda: world.viewers() == ["first", "second", "third"])
    await until(lambda: process.metric("lag_seconds", partition="0") == 0)
    await process.stop()
    assert process.metric("partitions_owned") == 0


@in_virtual_time
async def test_a_damaged_record_without_a_time_has_the_age_of_the_wait_for_it() -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("stored")
    await until(world.drained)
    world.store.down = StoreUnavailable()
    world.log.partition(0).records.append(LogRecord(1, 0, b"", (), Defect("corrupt_batch", 2)))
    world.log.skip(0, 1)
    await world.append_viewers("behind")
    await until(lambda: process.consumer.blocked_by() is not None)
    await asyncio.sleep(60)
    assert 50 <= process.metric("lag_seconds", partition="0") <= 70
    world.store.down = None
    await until(world.drained)
    await process.stop()


@in_virtual_time
async def test_the_lag_of_a_partition_that_halts_grows() -> None:
    world = await World.make()
    await world.append(one("newer", NOON_MS), revision=2)
    process = world.start()
    await until(process.consumer.blocked_by)
    await world.append_viewers("behind")
    world.log.now_ms += 60_000
    await asyncio.sleep(2 * LAG_UPDATE_S)
    assert process.metric("lag_records", partition="0") == 2
    assert process.metric("lag_seconds", partition="0") >= 60
    await process.stop()


@in_virtual_time
async def test_offsets_without_a_record_are_no_lag_and_no_loss(logs: list[EventDict]) -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("a")
    world.log.skip(0, 3)  # as the end of somebody's transaction does
    await until(world.drained)
    await asyncio.sleep(2 * LAG_UPDATE_S)
    assert process.metric("lag_records", partition="0") == 0
    assert world.log.committed(0) == Committed(4, "")
    await process.stop()
    world.log.skip(0, 2)
    heir = world.start()
    await until(lambda: world.log.committed(0) == Committed(6, ""))
    world.log.trim(0, 6)
    await world.append_viewers("b")
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["a", "b"]
    assert heir.metric("lost_records_total") == 0
    assert not [line for line in logs if line["event"] == "records_lost"]
