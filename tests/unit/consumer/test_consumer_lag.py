"""What the lag says while nothing is fetched."""

from __future__ import annotations

import asyncio

from siddes_telemetry.backends.ports import StoreUnavailable
from siddes_telemetry.consumer.figures import SHOW_LAG_S
from tests.fakes.consumption import World
from tests.fakes.virtual_time import in_virtual_time, until


@in_virtual_time
async def test_the_lag_grows_while_the_store_is_away() -> None:
    world = await World.make()
    process = world.start()
    await world.append_viewers("stored")
    await until(world.drained)
    world.store.down = StoreUnavailable()
    await world.append_viewers("first")
    await until(lambda: process.consumer.trouble() is not None)
    await world.append_viewers("second", "third")
    world.log.now_ms += 60_000
    await asyncio.sleep(2 * SHOW_LAG_S)
    assert process.metric("lag_records", partition="0") == 3
    assert process.metric("lag_seconds", partition="0") >= 60
    world.store.down = None
    await until(world.drained)
    await until(lambda: process.metric("lag_records", partition="0") == 0)
    await process.stop()
