"""The Python client in the servers that people have. Counts add up exactly, also those that waited at the end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

import siddes_telemetry_client
from tests.infrastructure.process import ServerProcess
from tests.product.client import Client
from tests.product.deployments import JWT_SECRET, Deployment

ROOT = Path(__file__).parents[2]
CLIENT = Path(siddes_telemetry_client.__file__).parents[1]
APPS = "tests.e2e.python_apps"
REQUESTS = 60
DJANGO = ("gunicorn", "--preload", "--no-control-socket", "--workers=2", "--bind=127.0.0.1:0", f"{APPS}.django_app")
FASTAPI = ("uvicorn", "--port=0", f"{APPS}.fastapi_app:app")
_LISTENS = re.compile(rb"(?:Listening at:|Uvicorn running on) (http://\S+)")

SERVERS: dict[str, tuple[tuple[str, ...], dict[str, dict[str, int]]]] = {
    # path: what a request counts
    "django-sync": ((*DJANGO, "--worker-class=sync"), {"/accept": {"suggestion_accepted": 2}}),
    "django-gthread": ((*DJANGO, "--worker-class=gthread", "--threads=4"), {"/accept": {"suggestion_accepted": 2}}),
    "fastapi": (FASTAPI, {"/in-a-thread": {"suggestion_accepted": 2}, "/in-the-loop": {"suggestion_undo": 3}}),
}


def environment(instance: Deployment, viewer: str) -> dict[str, str]:
    own = {"GATEWAY_URL": instance.write_url, "JWT_SECRET": JWT_SECRET, "VIEWER": viewer}
    return {**own, "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{CLIENT}"}


def counts_become(instance: Deployment, viewer: str, counts: dict[str, int]) -> None:
    async def become() -> None:
        async with aiohttp.ClientSession() as session:
            await Client(session, instance).counts_become(viewer, counts)

    asyncio.run(become())


async def ask(server: ServerProcess, paths: Mapping[str, object]) -> None:
    """REQUESTS requests to each path, several at a time."""
    found = _LISTENS.search(server.said())
    assert found
    async with aiohttp.ClientSession(found[1].decode(), connector=aiohttp.TCPConnector(limit=8)) as session:

        async def post(path: str) -> int:
            async with session.post(path) as answer:
                return answer.status

        statuses = await asyncio.gather(*(post(path) for path in [*paths] * REQUESTS))
    assert set(statuses) == {200}


@pytest.mark.parametrize("name", SERVERS)
def test_a_web_app_counts_exactly(instance: Deployment, tmp_path: Path, name: str) -> None:
    arguments, paths = SERVERS[name]
    command = [sys.executable, "-m", *arguments]
    server = ServerProcess(command, log=tmp_path / "log", env=environment(instance, name))
    try:
        server.wait_until(lambda: _LISTENS.search(server.said()) is not None)
        asyncio.run(ask(server, paths))
        server.end(signal.SIGTERM)
    finally:
        server.end(signal.SIGKILL)
    expected = {event: times * REQUESTS for counts in paths.values() for event, times in counts.items()}
    counts_become(instance, name, {"suggestion_shown": 1, **expected})
    assert b"counts are dropped" not in server.said()


def test_forked_workers_with_event_loops_of_their_own_count_exactly(instance: Deployment) -> None:
    command = [sys.executable, "-m", f"{APPS}.task_queue"]
    subprocess.run(command, env=environment(instance, "task-queue"), cwd=ROOT, check=True, timeout=90)
    counts = {"suggestion_shown": 1, "suggestion_accepted": 80, "suggestion_undo": 120}
    counts_become(instance, "task-queue", counts)


def test_a_script_of_four_lines_counts(instance: Deployment) -> None:
    script = ROOT / "tests/e2e/python_apps/script.py"
    command = [sys.executable, str(script), instance.write_url, JWT_SECRET, "script"]
    done = subprocess.run(command, env={"PYTHONPATH": str(CLIENT)}, capture_output=True, check=True, timeout=90)
    assert done.stdout + done.stderr == b""
    counts_become(instance, "script", {"suggestion_accepted": 3})
