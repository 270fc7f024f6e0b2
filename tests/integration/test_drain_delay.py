"""The drain delay, behind a load balancer that looks at readiness and without one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from siddes_telemetry.cli.services.stop_request import SAME_STOP_S
from tests.integration.kafka.kit import make_topic
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import embedded, start_member, unmigrated_cluster
from tests.product.load import Load, Pace, seeded
from tests.product.process import ServiceProcess

PROBE_S = 0.25  # between two looks at readiness
OF_TWO = ("--workers", "2", "--drain-delay", "1")  # seconds: several probes, even on a busy machine
NO_STORE = "http://nobody:none@127.0.0.1:9/none"  # a gateway does not use it


async def test_a_gateway_that_is_restarted_with_a_drain_delay_breaks_no_request(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    load = Load([], Pace(connections=8, pause_s=0.002, batch_events=2), seeded())
    with unmigrated_cluster(kafka_bootstrap, NO_STORE, tmp_path) as deployment:
        await make_topic(kafka_bootstrap, deployment.settings["TOPIC"], int(deployment.settings["PARTITIONS"]))
        start_member(deployment, "gateway-one")
        start_member(deployment, "gateway-two", *OF_TWO)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        async with (
            aiohttp.ClientSession() as session,
            balanced(load, Operator(session), deployment.processes),
            load.running(),
        ):
            await load.reached(load.events + 500)
            assert await asyncio.to_thread(deployment.processes["gateway-two"].stop) == 0
            await asyncio.to_thread(start_member(deployment, "gateway-two", *OF_TWO).wait_ready)
            await all_are_used(load, deployment.processes)
            await load.reached(load.events + 500)
    assert load.broken == 0
    assert set(load.statuses) == {200}


async def test_a_second_signal_ends_the_drain_delay(tmp_path: Path) -> None:
    with embedded(tmp_path, options=("--drain-delay", "300")) as deployment:
        up = deployment.processes["up"]
        async with aiohttp.ClientSession() as session:
            up.send(signal.SIGTERM)
            await Operator(session).becomes_unready(up, "serving")
            assert await Client(session, deployment).post("alice", "suggestion_undo") == 200
        await asyncio.sleep(SAME_STOP_S)  # sooner it would be the first one by another way
        assert await asyncio.to_thread(up.stop) == 0


@asynccontextmanager
async def balanced(load: Load, operator: Operator, processes: Mapping[str, ServiceProcess]) -> AsyncIterator[None]:
    """Requests go to the processes that were ready at the last probe. `processes` may change."""

    async def is_ready(process: ServiceProcess) -> bool:
        try:
            return not await operator.troubles(process)
        except aiohttp.ClientConnectionError:
            return False  # it has stopped, or does not listen yet

    async def probe() -> None:
        while True:
            load.targets[:] = [each.url for each in processes.values() if await is_ready(each)]
            await asyncio.sleep(PROBE_S)

    probing = asyncio.ensure_future(probe())
    try:
        await all_are_used(load, processes)
        yield
    finally:
        probing.cancel()
        await asyncio.wait({probing})


async def all_are_used(load: Load, processes: Mapping[str, ServiceProcess]) -> None:
    async def all_are_targets() -> bool:
        return len(load.targets) == len(processes)

    await eventually(all_are_targets, lambda: "a gateway is not ready")
