"""The broker or ClickHouse goes away while counts flow, frozen or killed, and comes back: nobody restarts a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.local import LocalServer
from tests.product.admin import Operator, resident_mb
from tests.product.client import Client, bearer
from tests.product.deployments import Deployment, cluster
from tests.product.load import Load, Pace, seeded

pytestmark = pytest.mark.timeout(240)  # each waits for several things that may take a minute

FLOWING = 500  # events answered 200 before, between and after outages
REFUSED = {"frozen": 5_000, "killed": 500}  # answers 503 of an outage: some 15 s of the load below, and 2 s
STORED = 3_000  # events taken while the store is away
GROWTH_MB = 100.0  # of a process in an outage; the gateway's own cap on what waits is 32 MiB, a block's 20 MB
PACE = Pace(connections=32, batch_events=10, pause_s=0.05)


async def test_a_gateway_survives_a_frozen_and_a_killed_broker(
    own_kafka: LocalKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with cluster(own_kafka.bootstrap, clickhouse_database_url, tmp_path) as deployment:
        gateway = deployment.processes["gateway"]
        load = Load([deployment.write_url], PACE, seeded())
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)
            async with load.running():
                for how, away, back in ways(own_kafka):
                    await load.reached(load.events + FLOWING)
                    before_mb = resident_mb(gateway)
                    await asyncio.to_thread(away)
                    await load.answers(503)
                    await operator.becomes_unready(gateway, "log")
                    await load.answers(503, REFUSED[how])
                    grown_mb = resident_mb(gateway) - before_mb
                    print(f"grown by {grown_mb:.1f} MB")
                    assert grown_mb < GROWTH_MB
                    await asyncio.to_thread(back)
                    await operator.becomes_ready(gateway)
                await load.reached(load.events + FLOWING)
            await load.adds_up(Client(session, deployment))
        assert load.broken == 0  # each request was answered, within the client's patience


async def test_consumer_and_summary_survive_a_frozen_and_a_killed_clickhouse(
    kafka_bootstrap: str, own_clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    with cluster(kafka_bootstrap, own_clickhouse.url, tmp_path) as deployment:
        consumer, summary = deployment.processes["consumer"], deployment.processes["summary"]
        load = Load([deployment.write_url], PACE, seeded())
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)
            async with load.running():
                for _, away, back in ways(own_clickhouse):
                    await load.reached(load.events + FLOWING)
                    before_mb = [resident_mb(process) for process in (consumer, summary)]
                    await asyncio.to_thread(away)
                    await refuses_to_sum(session, deployment)
                    await operator.becomes_unready(summary, "store")
                    await operator.becomes_unready(consumer, "store")
                    await operator.grows(consumer, "siddes_consumer_lag_records")
                    await operator.grows(consumer, "siddes_consumer_lag_seconds")
                    await load.reached(load.events + STORED)
                    for process, mb in zip((consumer, summary), before_mb, strict=True):
                        print(f"grown by {resident_mb(process) - mb:.1f} MB")
                        assert resident_mb(process) - mb < GROWTH_MB
                    await asyncio.to_thread(back)
                    await operator.becomes_ready(summary)
                    await operator.becomes_ready(consumer)
            await load.adds_up(Client(session, deployment))
        assert load.statuses.keys() == {200}  # gateways need no store
        assert load.broken == 0


def ways(server: LocalServer) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
    """How a server goes away, and how it comes back."""
    return [("frozen", server.pause, server.resume), ("killed", server.kill, server.start)]


async def refuses_to_sum(session: aiohttp.ClientSession, deployment: Deployment) -> None:
    """The summary must say that it does not know: an empty 200 would be a lie."""
    async with session.get(f"{deployment.read_url}/api/telemetry/summary", headers=bearer("viewer-0")) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"].isdigit()
        assert await answer.json() == {"ok": False, "error": "unavailable"}
