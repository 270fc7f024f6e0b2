"""The Python client against a real instance: exact through a kill, and quiet where telemetry is switched off."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp

from siddes_telemetry_client import TelemetryClient
from tests.product.client import Client, token
from tests.product.deployments import Deployment, embedded, start_embedded
from tests.product.load import seeded

VIEWERS = ("client-a", "client-b", "client-c")
EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_undo")
CALLS = 3_000
FLUSH_S = 60.0


def start_where_it_was(deployment: Deployment, url: str) -> None:
    """The instance again, on the port that the client knows."""
    port = url.rsplit(":", 1)[1]
    deployment.start("up", "up", "--port", port, "--admin-port", "0").wait_ready()


async def test_several_viewers_count_exactly_through_a_kill(tmp_path: Path) -> None:
    rng = seeded()
    tokens = {viewer: token(viewer) for viewer in VIEWERS}
    called: dict[str, Counter[str]] = {viewer: Counter() for viewer in VIEWERS}
    with embedded(tmp_path) as deployment:
        url = deployment.write_url
        async with TelemetryClient(url, linger_s=0.02, request_timeout_s=2.0) as telemetry:

            async def count() -> None:
                for _ in range(CALLS):
                    viewer, event, times = rng.choice(VIEWERS), rng.choice(EVENTS), rng.randint(1, 50)
                    telemetry.count(event, times, token=tokens[viewer])
                    called[viewer][event] += times
                    await asyncio.sleep(0.001)

            counting = asyncio.create_task(count())
            while telemetry.stats.accepted < CALLS // 10:  # noqa: ASYNC110 - the client tells nobody when it succeeds
                await asyncio.sleep(0.01)
            await asyncio.to_thread(deployment.processes["up"].kill)
            await asyncio.to_thread(start_where_it_was, deployment, url)
            await counting
            assert await telemetry.flush(FLUSH_S)
        assert telemetry.stats.accepted == telemetry.stats.called == CALLS
        async with aiohttp.ClientSession() as session:
            for viewer in VIEWERS:
                await Client(session, deployment).counts_become(viewer, dict(called[viewer]))


async def test_what_the_server_does_not_take_is_accounted_for(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with TelemetryClient(deployment.write_url) as telemetry:
            telemetry.count("suggestion_accepted", 3, token=token("client-d"))
            telemetry.count("suggestion_accepted", 0, token=token("client-d"))
            telemetry.count("not_in_the_registry", token=token("client-d"))
            telemetry.count("suggestion_accepted", token=token("client-d", exp=1))
        stats = telemetry.stats
        assert (stats.accepted, stats.rejected, stats.refused) == (1, 1, 1)
        async with aiohttp.ClientSession() as session:
            await Client(session, deployment).counts_become("client-d", {"suggestion_accepted": 3})


async def test_the_kill_switch_turns_it_off(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        deployment.processes["up"].stop()
        deployment.settings["ENABLED"] = "0"
        await asyncio.to_thread(start_embedded, deployment)
        async with TelemetryClient(deployment.write_url) as telemetry:
            telemetry.count("suggestion_accepted", token=token("client-e"))
            assert await telemetry.flush(FLUSH_S)
            telemetry.count("suggestion_accepted", token=token("client-e"))
        assert telemetry.stats.disabled == telemetry.stats.called == 2
