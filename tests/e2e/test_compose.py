"""The compose files of deploy/ with real images: counts through the proxy, exact while servers are killed.

Runs where `docker compose` has the images or can pull them. Elsewhere it is skipped, with the reason in the summary.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.infrastructure.compose import ComposeProject
from tests.infrastructure.found import RuledOut
from tests.infrastructure.ports import free_ports
from tests.product.client import Client, eventually
from tests.product.deploy_files import DEPLOY, make_secrets
from tests.product.deployments import JWT_SECRET, Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

BATCHES = 40
EVENTS: list[dict[str, object]] = [{"event": "suggestion_shown", "count": 2}, {"event": "suggestion_accepted"}]
POST_S = 120.0  # until another broker leads
STORED_S = 300.0  # until a server that came back has what it missed
PAUSE_S = 0.5


class BehindTheProxy(Deployment):
    """A deployment with one address."""

    url = ""

    @property
    def write_url(self) -> str:
        return self.url

    @property
    def read_url(self) -> str:
        return self.url


@pytest.mark.parametrize(
    ("file", "victims"),
    [("compose.yaml", ()), ("compose.cluster.yaml", ("kafka-2", "clickhouse-2-2"))],
    ids=["trial", "cluster"],
)
async def test_counts_are_exact_behind_a_compose_file(file: str, victims: tuple[str, ...], tmp_path: Path) -> None:
    make_secrets(tmp_path)
    (port,) = free_ports(1)
    settings = {"SIDDES_TELEMETRY_JWT_SECRET": JWT_SECRET, "PORT": str(port)}
    project = ComposeProject(DEPLOY / file, env_file=tmp_path / ".env", settings=settings)
    try:
        await asyncio.to_thread(project.require)
    except RuledOut as reason:
        pytest.skip(str(reason))
    deployment = BehindTheProxy({}, tmp_path)
    deployment.url = f"http://127.0.0.1:{port}"
    with project:
        await asyncio.to_thread(project.start)
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            await post_all(client)
            await stored(client, BATCHES)
            if victims:
                await asyncio.to_thread(project.run, "kill", *victims)
                await post_all(client)
                await asyncio.to_thread(project.run, "start", *victims)
                await stored(client, 2 * BATCHES)

        async def agrees() -> bool:  # which it says once all servers are up
            verified = await asyncio.to_thread(project.run, "run", "--rm", "-T", "operator", "verify", check=False)
            return verified.returncode == 0 and "store and log agree" in verified.stdout

        await eventually(agrees, lambda: "verify does not agree", within_s=STORED_S)


async def post_all(client: Client) -> None:
    for _ in range(BATCHES):
        async with asyncio.timeout(POST_S):
            await post(client, uuid4())


async def post(client: Client, batch_id: UUID) -> None:
    """Post a batch under its id until it is answered 200."""
    while True:
        try:
            if await client.post_batch("alice", batch_id, EVENTS) == 200:
                return
        except aiohttp.ClientError:
            pass  # the proxy is replaced, or asks a gateway that is gone
        await asyncio.sleep(PAUSE_S)


async def stored(client: Client, batches: int) -> None:
    expected = {"suggestion_shown": 2 * batches, "suggestion_accepted": batches}

    async def settled() -> bool:
        try:
            found = await client.counts("alice")
        except AssertionError:  # another status, while servers go and come
            return False
        assert all(number <= expected[event] for event, number in found.items()), found
        return found == expected

    await eventually(settled, lambda: f"expected {expected}", within_s=STORED_S)
