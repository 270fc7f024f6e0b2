"""A service whose standard error takes no lines, as a file on a full disk does: it serves all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from tests.infrastructure.ports import free_ports
from tests.product.client import Client, eventually
from tests.product.deployments import JWT_SECRET, Deployment
from tests.product.process import COMMAND, ServiceProcess, environment

STOP_S = 30.0


@dataclass(frozen=True)
class Unheard:
    """The addresses of a process that cannot say them."""

    url: str
    admin: str


@pytest.fixture
def unheard(tmp_path: Path) -> Iterator[Deployment]:
    """An embedded instance, with a warning to give and a talkative log."""
    port, admin = free_ports(2)
    settings = {"JWT_SECRET": JWT_SECRET, "DATA": str(tmp_path / "data"), "LOG_LEVEL": "debug", "MISSPELT": "1"}
    deployment = Deployment(settings, tmp_path)
    addresses = Unheard(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}")
    deployment.processes["up"] = cast("ServiceProcess", addresses)
    command = [*COMMAND, "up", "--port", str(port), "--admin-port", str(admin)]
    with Path("/dev/full").open("wb") as full, subprocess.Popen(command, env=environment(settings), stderr=full) as up:
        try:
            yield deployment
            assert up.poll() is None, "it ended"
        finally:
            up.terminate()
            up.wait(STOP_S)


async def test_counts_are_accepted_while_the_log_output_is_broken(unheard: Deployment) -> None:
    async with aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            try:
                async with session.get(f"{unheard.processes['up'].admin}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(is_ready, lambda: "it did not get ready")
        client = Client(session, unheard)
        assert await client.post("alice", "suggestion_shown", 3) == 200
        await client.counts_become("alice", {"suggestion_shown": 3})
