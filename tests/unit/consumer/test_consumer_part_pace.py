"""PartPace: in any OTHERS_END_S a partition inserts no more parts than the store remembers for it."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.lease import OTHERS_END_S
from siddes_telemetry.consumer.part_pace import PARTS_AT_ONCE, PartPace
from siddes_telemetry.schemas.ddl import PARTS_OF_A_PARTITION, PARTS_OF_A_REPAIR
from tests.fakes.consumer_process import World
from tests.fakes.virtual_time import in_virtual_time, until

BLOCKS = st.lists(st.tuples(st.integers(1, PARTS_AT_ONCE), st.floats(0, 400) | st.just(0.0)), min_size=1, max_size=60)


@given(BLOCKS, st.sampled_from([PARTS_OF_A_PARTITION, PARTS_OF_A_REPAIR]))
def test_no_span_of_time_has_more_parts_than_are_remembered(blocks: list[tuple[int, float]], parts: int) -> None:
    pace, now_s = PartPace(parts), 0.0
    inserted: list[tuple[float, int]] = []
    for count, idle_s in blocks:
        now_s += idle_s
        now_s += pace.wait_s(now_s)
        pace.take(count, now_s)
        inserted.append((now_s, count))
    for first, (begin_s, _) in enumerate(inserted):
        within = [count for at_s, count in inserted[first:] if at_s < begin_s + OTHERS_END_S]
        assert sum(within) <= parts


def test_a_block_a_second_never_waits() -> None:
    pace = PartPace()
    for second in range(3600):
        assert pace.wait_s(float(second)) == 0
        pace.take(1, float(second))


@in_virtual_time
async def test_small_blocks_in_a_row_keep_the_pace_of_their_policy() -> None:
    parts, blocks = 2 * PARTS_AT_ONCE + 100, 50
    world = await World.make(policy=FlushPolicy(max_rows=1, max_age_s=0.0, parts=parts))
    world.log.piece = 1
    await world.append_viewers(*(f"v{number}" for number in range(blocks)))
    process = world.start()
    began_s = asyncio.get_running_loop().time()
    await until(world.drained)
    took_s = asyncio.get_running_loop().time() - began_s
    await process.stop()
    assert len(world.store.attempts) == blocks
    assert took_s >= (blocks - 2) / 100 * OTHERS_END_S


@in_virtual_time
async def test_a_consumer_that_stops_stores_what_it_has_fetched_at_once() -> None:
    world = await World.make(policy=FlushPolicy(max_rows=1, max_age_s=0.0, parts=2 * PARTS_AT_ONCE + 1))
    await world.append_viewers(*"abcdef")
    process = world.start()
    await until(lambda: world.store.attempts)
    began_s = asyncio.get_running_loop().time()
    await process.stop()
    assert asyncio.get_running_loop().time() - began_s < OTHERS_END_S / 2
    assert world.viewers() == list("abcdef")
