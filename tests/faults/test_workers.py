"""A gateway of several processes, one of which is killed while counts flow."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path

import aiohttp

from tests.product.admin import Operator, workers_of
from tests.product.client import Client, eventually
from tests.product.deployments import cluster, migrate, start_member, unmigrated_cluster
from tests.product.load import Load, Pace, seeded
from tests.product.process import COMMAND, ServiceProcess

ACCEPTED = "siddes_events_accepted_total"


async def test_a_killed_worker_is_replaced_and_its_metrics_are_kept(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    rng = seeded()
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        gateway = start_member(deployment, "gateway-of-two", "--workers", "2")
        await asyncio.to_thread(gateway.wait_ready)
        load = Load([gateway.url], Pace(connections=32, pause_s=0.01), rng)
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)
            async with load.running():
                await load.reached(rng.randrange(2_000, 5_000))
                workers = workers_of(gateway)
                assert len(workers) == 2
                assert await operator.metric(gateway, "siddes_http_connections") > 0
                assert await operator.metric(gateway, "siddes_log_lines_left_out_total") == 0
                assert await operator.metric(gateway, "siddes_gateway_workers_ready") == 2
                for figure in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds"):
                    for number in range(2):
                        name = f'siddes_gateway_worker_{figure}{{worker="{number}"}}'
                        assert await operator.metric(gateway, re.escape(name)) > 0
                accepted = await operator.metric(gateway, ACCEPTED)
                killed = rng.choice(workers)
                os.kill(killed, signal.SIGKILL)
                await operator.becomes(gateway, "siddes_gateway_worker_restarts_total", 1)
                assert await operator.troubles(gateway) == {}  # the other worker serves
                assert await operator.metric(gateway, "siddes_gateway_workers_ready") == 1
                assert await operator.metric(gateway, ACCEPTED) >= accepted
                await eventually(lambda: replaced(gateway, killed), lambda: "the worker was not replaced")
                await operator.becomes(gateway, "siddes_gateway_workers_ready", 2)
                await load.reached(load.events + 2_000)
            assert load.broken > 0  # the kill was felt
            answered = load.singles_answered.total() + sum(each.total() for each in load.batched.values())
            assert await operator.metric(gateway, ACCEPTED) >= answered
            await load.adds_up(Client(session, deployment))
        assert await asyncio.to_thread(gateway.stop) == 0


async def replaced(gateway: ServiceProcess, killed: int) -> bool:
    workers = workers_of(gateway)
    return killed not in workers and len(workers) == 2


async def test_workers_whose_metrics_files_are_cleaned_away_are_replaced_and_counted_again(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    elsewhere = ("env", "PROMETHEUS_MULTIPROC_DIR=/nonexistent", "TMPDIR=/nonexistent", "TZ=utc", *COMMAND)
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        migrate(deployment)
        gateway = start_member(deployment, "gateway", "--workers", "2", command=elsewhere)
        await asyncio.to_thread(gateway.wait_ready)
        async with aiohttp.ClientSession() as session:
            operator, client = Operator(session), Client(session, deployment)
            assert await client.post("alice", "suggestion_undo") == 200
            await operator.becomes(gateway, ACCEPTED, 1)
            before = workers_of(gateway)
            folder = metrics_folder_of(before[0])
            shutil.rmtree(folder)
            folder.touch()  # so that for a while no worker can start

            async def cannot_start() -> bool:
                return '"event": "worker_failed"' in gateway.said()

            await eventually(cannot_start, lambda: "nobody noticed that the files are gone")
            assert await client.post("alice", "suggestion_undo") == 200  # by the other worker
            folder.unlink()

            async def all_replaced() -> bool:
                return len(workers_of(gateway)) == 2 and not set(workers_of(gateway)) & set(before)

            await eventually(all_replaced, lambda: "a worker goes on that nobody sees the figures of")
            await operator.becomes(gateway, "siddes_gateway_workers_ready", 2)
            for _ in range(20):
                assert await client.post("alice", "suggestion_undo") == 200
            await operator.becomes(gateway, ACCEPTED, 20)
            assert gateway.said().count('"event": "worker_metrics_gone"') == 2
        gateway.send(signal.SIGHUP)
        assert await asyncio.to_thread(gateway.ended) == 0
        assert "Traceback" not in gateway.said()


def metrics_folder_of(worker: int) -> Path:
    variables = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    (folder,) = (each.partition(b"=")[2] for each in variables if each.startswith(b"PROMETHEUS_MULTIPROC_DIR="))
    return Path(os.fsdecode(folder))
