"""Batches that are tried again through another gateway, while the consumer that took their first try is gone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from uuid import UUID

import aiohttp

from tests.product.admin import Operator
from tests.product.client import Client
from tests.product.deployments import Deployment, cluster
from tests.product.load import seeded

EVENT = "suggestion_accepted"
VIEWERS = 4
BATCHES = 60  # over four partitions: each has some
SURVIVOR = "consumer-2"


async def test_a_retry_through_another_gateway_counts_once_across_the_kill_of_a_consumer(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    rng = seeded()
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, gateways=2, consumers=2) as deployment:
        async with aiohttp.ClientSession() as session:
            client, operator = Client(session, deployment), Operator(session)
            early, late = some_batches(rng), some_batches(rng)
            await tried(client, deployment, early, "gateway")
            await counted(client, early)  # stored, by both consumers, and noted
            await tried(client, deployment, late, "gateway")  # stored, in doubt, or not yet read
            await asyncio.to_thread(deployment.processes["consumer"].kill)
            await asyncio.gather(
                tried(client, deployment, {**early, **late}, "gateway-2"), tried(client, deployment, late, "gateway")
            )
            await counted(client, {**early, **late})
            survivor = deployment.processes[SURVIVOR]
            await operator.becomes(survivor, "siddes_consumer_lag_records", 0)
            assert await operator.metric(survivor, "siddes_consumer_read_backs_total") > 0
            assert await operator.metric(survivor, 'siddes_consumer_read_back_bytes_total{source="journal"}') > 0
            assert await operator.metric(survivor, "siddes_consumer_repeated_batches_total") >= BATCHES
            await counted(client, {**early, **late})


Batches = dict[UUID, tuple[str, int]]  # id → viewer and count


def some_batches(rng: random.Random) -> Batches:
    return {
        UUID(int=rng.getrandbits(128), version=4): (f"viewer-{number % VIEWERS}", rng.randint(1, 50))
        for number in range(BATCHES)
    }


async def tried(client: Client, deployment: Deployment, batches: Batches, gateway: str) -> None:
    """Send them all at once; every one is answered 200."""
    url = deployment.processes[gateway].url
    statuses = await asyncio.gather(
        *(
            client.post_batch(viewer, batch_id, [{"event": EVENT, "count": count}], url=url)
            for batch_id, (viewer, count) in batches.items()
        )
    )
    assert set(statuses) == {200}


async def counted(client: Client, batches: Batches) -> None:
    """Wait until each of them is counted, and fail where one is counted twice."""
    expected = Counter[str]()
    for viewer, count in batches.values():
        expected[viewer] += count
    for viewer, count in expected.items():
        await client.counts_become(viewer, {EVENT: count})
