"""The built same-origin proxy (clients/proxy/dist), served by Node, in front of a real instance."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.infrastructure.process import ServerProcess
from tests.product.client import eventually, token
from tests.product.deployments import Deployment, embedded
from tests.product.process import environment

SERVE = Path(__file__).parents[2] / "clients/proxy/tests/serve.mjs"
READY = re.compile(rb"^ready: (http://\S+)$", re.MULTILINE)
COUNT = {"event": "suggestion_accepted", "count": 3}


@pytest.fixture(scope="module")
def node() -> str:
    """The Node that serves; without one these tests skip, or fail where REQUIRE_SERVERS=1."""
    found = shutil.which("node")
    if found is None:
        (pytest.fail if os.environ.get("REQUIRE_SERVERS") == "1" else pytest.skip)("node: there is none on PATH")
    return found


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with embedded(tmp_path_factory.mktemp("behind_proxy"), debug=True) as running:
        yield running


@contextmanager
def proxied(node: str, deployment: Deployment, **options: object) -> Iterator[str]:
    """The address of an app that has the proxy in front of this deployment."""
    settings = json.dumps({"ingestUrl": deployment.write_url, "summaryUrl": deployment.read_url, **options})
    process = ServerProcess([node, str(SERVE), settings], log=deployment.folder / "proxy.log", env=environment({}))
    try:
        process.wait_until(lambda: READY.search(process.said()) is not None)
        ready = READY.search(process.said())
        assert ready
        yield f"{ready[1].decode()}/api/telemetry"
    finally:
        process.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def telemetry(node: str, deployment: Deployment) -> Iterator[str]:
    with proxied(node, deployment, development=True) as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """Keeps no cookies: each test says which it sends."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def signed_in(viewer: str) -> dict[str, str]:
    return {"Cookie": f"theme=dark; sessionid={token(viewer)}"}


def answer(code: str) -> dict[str, object]:
    return {"ok": False, "error": code}


async def got(browser: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    async with browser.get(url, headers=headers) as response:
        return response.status, await response.json()


async def posted(
    browser: aiohttp.ClientSession, url: str, headers: dict[str, str], body: object = COUNT
) -> tuple[int, dict[str, Any]]:
    async with browser.post(url, headers=headers, json=body) as response:
        return response.status, await response.json()


async def counted(browser: aiohttp.ClientSession, telemetry: str, headers: dict[str, str], expected: int) -> None:
    """Wait until the summary says that this many were accepted, and nothing else."""

    async def settled() -> bool:
        status, summary = await got(browser, f"{telemetry}/summary?days=7", headers)
        assert status == 200
        return bool(summary == {"ok": True, "days": 7, "counts": {"suggestion_accepted": expected}})

    await eventually(settled, lambda: f"expected {expected}")


@pytest.mark.parametrize("path", ["", "/ingest"])
async def test_a_count_of_a_session_arrives(browser: aiohttp.ClientSession, telemetry: str, path: str) -> None:
    viewer = signed_in(f"single{path.replace('/', '-')}")
    assert await posted(browser, telemetry + path, viewer) == (200, {"ok": True})
    await counted(browser, telemetry, viewer, 3)


async def test_a_batch_sent_twice_counts_once(browser: aiohttp.ClientSession, telemetry: str) -> None:
    viewer = signed_in("batch")
    batch = {"batch_id": str(uuid4()), "events": [COUNT, COUNT]}
    for _ in range(2):
        status, said = await posted(browser, f"{telemetry}/batch", viewer, batch)
        assert (status, said["accepted"]) == (200, 2)
    assert await posted(browser, telemetry, viewer) == (200, {"ok": True})  # the last to be stored
    await counted(browser, telemetry, viewer, 9)


async def test_the_series_adds_up_to_what_was_counted(browser: aiohttp.ClientSession, telemetry: str) -> None:
    viewer = signed_in("series")
    await posted(browser, telemetry, viewer)
    await counted(browser, telemetry, viewer, 3)
    status, said = await got(browser, f"{telemetry}/series?days=2&interval=hour", viewer)
    assert (status, said["days"], said["interval"]) == (200, 2, "hour")
    assert sum(step["counts"].get("suggestion_accepted", 0) for step in said["series"]) == 3


async def test_a_zone_and_the_window_before_are_passed_on(browser: aiohttp.ClientSession, telemetry: str) -> None:
    viewer = signed_in("zoned")
    status, said = await got(browser, f"{telemetry}/series?days=2&tz=Asia/Kathmandu", viewer)
    assert (status, said["series"][0]["start"][10:]) == (200, "T00:00:00+05:45")
    assert await got(browser, f"{telemetry}/series?tz=Asia.Kathmandu", viewer) == (400, answer("invalid_zone"))
    status, said = await got(browser, f"{telemetry}/summary?days=2&compare=previous", viewer)
    assert (status, said["previous"]) == (200, {"counts": {}})


@pytest.mark.parametrize("headers", [{"Cookie": "sd_viewer=dev-cookie"}, {"x-sd-viewer": "dev-header"}])
async def test_in_development_the_dev_viewer_passes(
    browser: aiohttp.ClientSession, telemetry: str, headers: dict[str, str]
) -> None:
    assert await posted(browser, telemetry, headers) == (200, {"ok": True})
    await counted(browser, telemetry, headers, 3)


async def test_else_neither_it_nor_a_bearer_token_does(
    browser: aiohttp.ClientSession, node: str, deployment: Deployment
) -> None:
    others = {"Cookie": "sd_viewer=alice", "x-sd-viewer": "alice", "Authorization": f"Bearer {token('alice')}"}
    with proxied(node, deployment) as telemetry:
        assert await posted(browser, telemetry, others) == (401, answer("no_viewer"))
        assert await got(browser, telemetry, others) == (401, answer("no_viewer"))


async def test_what_the_gateway_refuses_is_passed_back(browser: aiohttp.ClientSession, telemetry: str) -> None:
    viewer = signed_in("refused")
    assert await posted(browser, telemetry, viewer, {"event": "no_such"}) == (400, answer("invalid_event"))
    async with browser.post(telemetry, headers=viewer, data="{", skip_auto_headers=["content-type"]) as response:
        assert (response.status, await response.json()) == (400, answer("invalid_event"))


async def test_another_sites_page_is_refused_and_our_own_is_not(browser: aiohttp.ClientSession, telemetry: str) -> None:
    viewer = signed_in("cross-site")
    own = telemetry.removesuffix("/api/telemetry")
    foreign = viewer | {"Origin": "https://evil.example"}
    assert await posted(browser, telemetry, foreign) == (403, answer("forbidden_origin"))
    assert await posted(browser, telemetry, viewer | {"Origin": own}) == (200, {"ok": True})
    await counted(browser, telemetry, viewer, 3)


async def test_an_instance_that_was_killed_is_unavailable(
    browser: aiohttp.ClientSession, node: str, tmp_path: Path
) -> None:
    viewer = signed_in("killed")
    with embedded(tmp_path) as own, proxied(node, own) as telemetry:
        assert await posted(browser, telemetry, viewer) == (200, {"ok": True})
        own.processes["up"].kill()
        assert await posted(browser, telemetry, viewer) == (503, answer("unavailable"))
        async with browser.get(telemetry, headers=viewer) as response:
            assert (response.status, await response.json()) == (503, answer("unavailable"))
            assert 1 <= int(response.headers["Retry-After"]) <= 5


async def test_the_kill_switch_passes_through(browser: aiohttp.ClientSession, node: str, tmp_path: Path) -> None:
    viewer = signed_in("switched-off")
    with embedded(tmp_path, ENABLED="0") as own, proxied(node, own) as telemetry:
        assert await posted(browser, f"{telemetry}/batch", viewer) == (404, answer("telemetry_disabled"))
        assert await got(browser, telemetry, viewer) == (404, answer("telemetry_disabled"))
