"""An embedded instance moves to a cluster that counts meanwhile: viewers see all their counts there, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.product.client import Client
from tests.product.deployments import cluster, embedded, start_embedded
from tests.product.load import Load, Pace, seeded
from tests.product.process import run

VIEWER_KEY = "the-key-of-instance-and-cluster"


@pytest.mark.timeout(300)  # a dozen processes, on a busy machine
async def test_viewers_find_all_their_counts_in_the_cluster(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with (
        embedded(tmp_path, VIEWER_KEY=VIEWER_KEY) as instance,
        cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, VIEWER_KEY=VIEWER_KEY) as moved,
    ):
        folder = instance.settings["DATA"]

        async def typed(*words: str) -> str:
            done = await asyncio.to_thread(run, *words, settings=moved.settings)
            assert done.returncode == 0, done.stderr
            return done.stdout

        async def folder_agrees() -> bool:
            return (await asyncio.to_thread(run, "verify", settings={"DATA": folder})).returncode == 0

        async with aiohttp.ClientSession() as session:
            before, after = Client(session, instance), Client(session, moved)
            assert await before.post("alice", "suggestion_undo", 3) == 200
            assert await after.post("alice", "suggestion_undo", 4) == 200
            instance.processes["up"].kill()  # the count may be in the log alone
            load = Load([moved.write_url], Pace(connections=4, pause_s=0.02), seeded())
            async with load.running():
                assert (await typed("import", folder)).startswith("1 row (3 counts) imported\n")
                assert await folder_agrees()
                await typed("verify")
            await after.counts_become("alice", {"suggestion_undo": 7})
            await load.adds_up(after)

            await asyncio.to_thread(start_embedded, instance)  # by accident
            assert "data_folder_was_imported" in instance.processes["up"].said()
            assert await before.post("alice", "suggestion_undo", 5) == 200
            assert instance.processes["up"].stop() == 0
            assert "1 row (5 counts) imported\n1 row (3 counts) already there" in await typed("import", folder)
            assert await folder_agrees()
            await typed("verify")
            await after.counts_become("alice", {"suggestion_undo": 12})
