"""An embedded instance from the shipped events to those of an app, and to their retirement."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from tests.product.client import Client, eventually
from tests.product.data_folder import plant
from tests.product.deployments import Deployment, embedded, start_embedded
from tests.product.process import run

OWN = """
revision = 1
[[event]]
name = "photo_opened"
id = 1
meaning = "The viewer opened a photo."
[[event]]
name = "photo_exported"
id = 2
meaning = "The viewer exported a photo."
"""
RETIRED = OWN.replace("revision = 1", "revision = 2").replace(
    'name = "photo_opened"', 'name = "photo_opened"\nretired = true'
)


@pytest.fixture
def registries(tmp_path: Path) -> dict[str, str]:
    files = {"own": OWN, "retired": RETIRED, "unraised": RETIRED.replace("revision = 2", "revision = 1")}
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return {name: str(tmp_path / f"{name}.toml") for name in files}


@contextmanager
def closing_pipe(text: str) -> Iterator[str]:
    """Yields the path of a pipe that gives this text once, as `<(…)` does."""
    readable, writable = os.pipe()
    try:
        os.write(writable, text.encode())
        os.close(writable)
        yield f"/proc/{os.getpid()}/fd/{readable}"
    finally:
        os.close(readable)


def stop(deployment: Deployment) -> None:
    assert deployment.processes["up"].stop() == 0


async def test_an_app_goes_from_the_shipped_events_to_its_own_and_retires_one(
    tmp_path: Path, registries: dict[str, str]
) -> None:
    with embedded(tmp_path, debug=True) as deployment:
        assert '{"event":"suggestion_shown","count":3}' in deployment.processes["up"].said()
        compared = run("check", registries["own"], "--against", "store", settings=deployment.settings)
        assert (compared.returncode, "never counted anything" in compared.stderr) == (0, True), compared.stderr
        with closing_pipe(OWN) as pipe:
            piped = run("check", pipe, "--against", "store", settings=deployment.settings)
        assert (piped.returncode, "never counted anything" in piped.stderr) == (0, True), piped.stderr
        beside = run("migrate", "--events", registries["own"], settings=deployment.settings)
        assert (beside.returncode, "has another registry" in beside.stderr) == (1, True), beside.stderr
        stop(deployment)

        own = start_embedded(deployment, "--events", registries["own"], debug=True)
        assert '{"event":"photo_opened","count":3}' in own.said()
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            assert await client.post("ana", "photo_opened", 3) == 200
            assert await client.post("ana", "suggestion_shown") == 400
            await until(client, {"photo_opened": 3})
            compared = run("check", registries["retired"], "--against", "store", settings=deployment.settings)
            assert (compared.returncode, "photo_opened is retired" in compared.stdout) == (0, True), compared.stderr
        stop(deployment)

        refused = run("up", settings=deployment.settings)
        assert refused.returncode == 1
        assert "it has none of the earlier events (photo_opened, photo_exported)" in refused.stderr
        assert "another data folder: --data FOLDER" in refused.stderr
        judged = run("verify", settings=deployment.settings)
        assert (judged.returncode, "name the one that it was made for" in judged.stderr) == (3, True), judged.stderr
        unraised = run("migrate", "--events", registries["unraised"], settings=deployment.settings)
        assert (unraised.returncode, "write `revision = 2`" in unraised.stderr) == (1, True)

        now_ms = time.time_ns() // 1_000_000
        lines = encode_lines("ana", {"photo_opened": 4}, format_time(now_ms))
        await plant(tmp_path / "data", [(now_ms, lines, encode_headers(1, lines, [(NO_BATCH, 1)]))])
        start_embedded(deployment, "--events", registries["retired"])
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            await until(client, {"photo_opened": 7})
            assert await client.post("ana", "photo_opened") == 400
            assert await client.post("ana", "photo_exported") == 200
            await until(client, {"photo_opened": 7, "photo_exported": 1})
        verified = await asyncio.to_thread(run, "verify", settings=deployment.settings)
        assert verified.returncode == 0, verified.stderr


async def until(client: Client, counts: dict[str, int]) -> None:
    async def read() -> bool:
        return await client.counts("ana") == counts

    await eventually(read, lambda: f"not {counts}")
