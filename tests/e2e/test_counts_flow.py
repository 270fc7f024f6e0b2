"""Counts go in over HTTP and come out of the summary, in both deployment modes, through real processes."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import aiohttp

from tests.product.client import Client
from tests.product.deployments import cluster, embedded

MORE_LETTERS = "google-oauth2|a+b/c=~"  # a viewer that only record format 3 can hold


async def test_counts_flow_through_one_process(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            assert await client.post("alice", "suggestion_accepted", 3) == 200
            assert await client.post("alice", "suggestion_shown", 50) == 200
            await client.counts_become("alice", {"suggestion_shown": 50, "suggestion_accepted": 3})
            assert await client.post(MORE_LETTERS, "suggestion_shown", 2) == 200
            await client.counts_become(MORE_LETTERS, {"suggestion_shown": 2})
            assert await client.counts("bob") == {}


async def test_counts_flow_through_a_cluster(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            batch = uuid4()
            events: list[dict[str, object]] = [{"event": "suggestion_shown", "count": 2}, {"event": "suggestion_shown"}]
            for _ in range(2):  # a retry counts once
                assert await client.post_batch("alice", batch, events) == 200
            assert await client.post("alice", "suggestion_undo") == 200
            assert await client.post(MORE_LETTERS, "suggestion_shown", 2) == 200
            await client.counts_become("alice", {"suggestion_shown": 3, "suggestion_undo": 1})
            await client.counts_become(MORE_LETTERS, {"suggestion_shown": 2})
            assert await client.counts("bob") == {}
