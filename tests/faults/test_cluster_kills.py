"""A cluster whose processes are killed while counts flow: what was answered 200 is counted, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.services.client import Client
from tests.services.load import Load, Pace, seeded
from tests.services.process import ServiceProcess
from tests.services.shapes import Shape, cluster, start_member

EVENTS = 100_000


async def test_100_000_counts_add_up_through_the_kill_of_a_consumer_and_a_gateway(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    rng = seeded()
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, gateways=2, consumers=2) as shape:
        gateways = [shape.processes[name].url for name in ("gateway", "gateway-2")]
        load = Load(gateways, Pace(EVENTS, connections=64, batch_events=25), rng)
        async with load.running():
            await load.reached(rng.randrange(EVENTS // 4))
            await killed_and_started_again(shape, rng.choice(["consumer", "consumer-2"]))
            await load.reached(rng.randrange(EVENTS // 4, EVENTS // 2))
            gateway = await killed_and_started_again(shape, rng.choice(["gateway", "gateway-2"]))
            await asyncio.to_thread(gateway.wait_ready)
            await load.all_sent()
        assert load.broken > 0  # the kills were felt
        async with aiohttp.ClientSession() as session:
            await load.adds_up(Client(session, shape))


async def killed_and_started_again(shape: Shape, name: str) -> ServiceProcess:
    """SIGKILL, and the same service on the same ports; does not wait until it is ready."""
    await asyncio.to_thread(shape.processes[name].kill)
    return start_member(shape, name)
