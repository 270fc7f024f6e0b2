"""The log dropped records before they were stored: their number is reported, and consumption goes on."""

from __future__ import annotations

import asyncio

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import NO_INTENT, encode_intent
from tests.fakes.consumer_process import Process, World
from tests.fakes.virtual_time import in_virtual_time, until


def said(logs: list[EventDict]) -> int:
    return sum(each["records"] for each in logs if each["event"] == "records_lost" and each["log_level"] == "error")


@in_virtual_time
async def test_records_gone_from_the_stream_are_counted(logs: list[EventDict]) -> None:
    world = await World.make(policy=FlushPolicy(max_rows=1, max_age_s=0.0))
    world.log.piece = 1
    world.store.gate.clear()
    process = world.start()
    await world.append_viewers(*"abcdef")
    await until(lambda: world.store.attempts)
    world.log.trim(0, 4)
    world.store.gate.set()
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "e", "f"]
    assert process.metric("lost_records_total") == said(logs) == 3


@in_virtual_time
async def test_records_gone_behind_pending_ones_are_counted(logs: list[EventDict]) -> None:
    world = await World.make(policy=FlushPolicy(max_rows=100, max_age_s=60.0))
    world.log.piece = 2
    process = world.start(delay=lambda: 1.0)
    await world.append_viewers(*"abcdef")
    world.log.now_ms += 1000
    await until(lambda: process.metric("lag_seconds", partition="0"))  # some of them are fetched
    world.log.trim(0, 5)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "b", "f"]
    assert process.metric("lost_records_total") == said(logs) == 3


@pytest.mark.parametrize(
    ("metadata", "first", "lost", "viewers"),
    [
        (NO_INTENT, 2, 2, ["c", "d", "e"]),
        (encode_intent(3), 2, 2, ["c", "d", "e"]),
        (encode_intent(3), 3, 3, ["d", "e"]),
        (encode_intent(3), 4, 4, ["e"]),
        (encode_intent(3), 5, 5, []),
        (NO_INTENT, 5, 5, []),
    ],
)
@in_virtual_time
async def test_records_gone_before_a_take_over_are_counted(
    metadata: str, first: int, lost: int, viewers: list[str], logs: list[EventDict]
) -> None:
    world = await World.make()
    await world.append_viewers(*"abcde")
    world.log.set_committed(0, Committed(0, metadata))
    world.log.trim(0, first)
    process = world.start()
    await until(lambda: process.metric("lost_records_total"))
    await until(lambda: world.viewers() == viewers)
    await asyncio.sleep(1)
    world.log.revoke(0)  # lost records are reported once, also if nothing was appended since
    await asyncio.sleep(1)
    await process.stop()

    assert world.viewers() == viewers
    assert process.metric("lost_records_total") == said(logs) == lost
    assert (world.log.committed(0) or Committed(0, "")).metadata == NO_INTENT


@in_virtual_time
async def test_of_an_intent_that_is_partly_gone_only_what_the_store_lacks_is_inserted() -> None:
    world = await World.make()
    await world.append_viewers(*"abc")
    world.store.fail_next(TimeoutError(), applied=True)  # type: ignore[arg-type]  # a defect: the process ends there
    crashed = world.start()
    await asyncio.wait({crashed.task})
    assert isinstance(crashed.task.exception(), TimeoutError)
    world.store.forget_tokens()
    world.log.trim(0, 1)
    heir = world.start()
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["a", "b", "c"]


@in_virtual_time
async def test_records_that_go_while_they_are_read_again_are_noticed() -> None:
    world = await World.make()
    world.log.piece = 1
    await world.append_viewers(*"abcd")
    world.log.set_committed(0, Committed(0, encode_intent(4)))
    process: Process = world.start(delay=lambda: 1.0)
    await until(lambda: process.group_consumer.reads)
    world.log.trim(0, 3)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["d"]
    assert process.metric("lost_records_total") == 3
