"""One process with everything in it, killed while counts flow: what was answered 200 is counted, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.services.client import Client
from tests.services.load import Load, Pace, seeded
from tests.services.shapes import embedded, start_embedded

EVENTS = 20_000
KILLS = 3


async def test_counts_add_up_through_kills_of_the_one_process(tmp_path: Path) -> None:
    rng = seeded()
    with embedded(tmp_path) as shape:
        load = Load([shape.write_url], Pace(EVENTS, connections=64, batch_events=50, single_share=0.5), rng)
        async with load.running():
            for number in range(KILLS):
                await load.reached(round(EVENTS * (number + rng.random()) / KILLS))
                await asyncio.to_thread(shape.processes["up"].kill)
                await asyncio.to_thread(start_embedded, shape)
                load.targets = [shape.write_url]
            await load.all_sent()
        assert load.broken > 0  # the kills were felt
        async with aiohttp.ClientSession() as session:
            await load.adds_up(Client(session, shape))
