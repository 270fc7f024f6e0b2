"""A data folder keeps to the VIEWER_KEY that it began with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.product.client import Client
from tests.product.deployments import ANY_PORT, JWT_SECRET, embedded, start_embedded
from tests.product.process import run

KEY, OTHER_KEY = "the-key-that-it-began-with", "quite-another-viewer-key"
SETTING = "SIDDES_TELEMETRY_VIEWER_KEY"


def refused(data: Path, key: str | None) -> str:
    """What `up` says that does not start under this key."""
    settings = {"DATA": str(data), "JWT_SECRET": JWT_SECRET} | ({} if key is None else {"VIEWER_KEY": key})
    done = run("up", *ANY_PORT, settings=settings)
    assert done.returncode == 2, done.stderr
    assert "ready" not in done.stderr
    assert key is None or key not in done.stderr
    return done.stderr


async def test_counts_under_pseudonyms_never_get_others_under_another_key_or_none(tmp_path: Path) -> None:
    with embedded(tmp_path, VIEWER_KEY=OTHER_KEY) as deployment:  # nothing is counted under this one
        data = Path(deployment.settings["DATA"])
        assert deployment.processes["up"].stop() == 0
        deployment.settings["VIEWER_KEY"] = KEY
        await asyncio.to_thread(start_embedded, deployment)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            assert await client.post("alice", "suggestion_undo", 3) == 200
            await client.counts_become("alice", {"suggestion_undo": 3})
            assert deployment.processes["up"].stop() == 0

            assert f"and there is none: set {SETTING} to the key" in await asyncio.to_thread(refused, data, None)
            assert f"and this is another: set {SETTING} to" in await asyncio.to_thread(refused, data, OTHER_KEY)
            files = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
            assert KEY.encode() not in files

            without = {"DATA": str(data)}  # commands that map no viewer need no key
            assert (await asyncio.to_thread(run, "verify", settings=without)).returncode == 0
            await asyncio.to_thread(start_embedded, deployment)
            await client.counts_become("alice", {"suggestion_undo": 3})


async def test_counts_under_viewer_ids_never_get_others_under_pseudonyms(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with aiohttp.ClientSession() as session:
            assert await Client(session, deployment).post("alice", "suggestion_undo") == 200
        deployment.processes["up"].kill()  # the count may be in the log alone
        said = await asyncio.to_thread(refused, Path(deployment.settings["DATA"]), KEY)
        assert f"under viewer ids as they are: unset {SETTING}, or use another data folder" in said
