"""The machine's clock is ahead for a while and is then set right, while one process with everything in it runs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.faults.product_overrides import clock_of
from tests.product.admin import Operator
from tests.product.client import Client
from tests.product.deployments import Deployment, embedded, start_embedded
from tests.product.process import run

HOUR_S = 3600
DAY_S = 24 * HOUR_S
TRIMMED = "siddes_log_records_trimmed_total"
BATCH = uuid4()
EVENTS = [{"event": "suggestion_accepted", "count": 5}]


@dataclass(frozen=True)
class Machine:
    """An instance, and the clock of its machine."""

    deployment: Deployment
    client: Client
    operator: Operator
    clock: Path

    def set_clock(self, ahead_s: int) -> None:
        """From now on it is so far ahead. Written beside and moved, so that nobody reads half a number."""
        beside = self.clock.with_suffix(".next")
        beside.write_text(str(ahead_s))
        beside.replace(self.clock)

    async def run(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        done = await asyncio.to_thread(run, *arguments, settings=self.deployment.settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def agrees(self) -> int:
        """How many rows `verify` left out; it must find no difference, and have nothing to repair."""
        (partition,) = json.loads(await self.run("verify", "--repair", "--yes", "--json"))["partitions"]
        assert (partition["missing"], partition["surplus"], partition["lag"]) == (0, 0, 0)
        left_out: int = partition["left_out_rows"]
        return left_out

    async def start_again(self) -> None:
        assert await asyncio.to_thread(self.deployment.processes["up"].stop) == 0
        await asyncio.to_thread(start_embedded, self.deployment, command=clock_of(self.clock))


@pytest.fixture(params=[40 * DAY_S, 2 * HOUR_S], ids=["forty days", "two hours"])
async def machine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Machine]:
    """One whose clock was ahead while two viewers counted, and is right again."""
    clock = tmp_path / "ahead_s"
    clock.write_text(str(request.param))
    with embedded(tmp_path, command=clock_of(clock)) as deployment:
        async with aiohttp.ClientSession() as session:
            machine = Machine(deployment, Client(session, deployment), Operator(session), clock)
            assert await machine.client.post("alice", "suggestion_shown", 3) == 200
            assert await machine.client.post_batch("bob", BATCH, EVENTS) == 200
            await machine.client.counts_become("alice", {"suggestion_shown": 3})
            await machine.client.counts_become("bob", {"suggestion_accepted": 5})
            machine.set_clock(0)
            yield machine


async def would_go(machine: Machine) -> tuple[int, int]:
    """(rows, how many of them lie ahead) that a purge of all that there is would remove."""
    said = await machine.run("purge", "--days", "0", "--dry-run")
    rows = re.match(r"(\d+) rows \(\d+ counts\) would go", said)
    ahead = re.search(r"(\d+) of them more than an hour ahead", said)
    assert rows, said
    return int(rows[1]), int(ahead[1]) if ahead else 0


async def test_counts_after_a_clock_correction_have_the_right_time(machine: Machine) -> None:
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 4})
    assert await would_go(machine) == (3, 2)
    await machine.start_again()
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 5})
    assert await would_go(machine) == (4, 2)
    assert await machine.agrees() == 0


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_batch_that_is_repeated_after_the_clock_came_back_counts_once(
    machine: Machine, *, restarted: bool
) -> None:
    if restarted:
        await machine.start_again()
    assert await machine.client.post_batch("bob", BATCH, EVENTS) == 200
    assert await machine.client.post("bob", "suggestion_shown") == 200
    await machine.client.counts_become("bob", {"suggestion_accepted": 5, "suggestion_shown": 1})
    assert await machine.agrees() == 0


async def test_rows_ahead_of_now_are_purged_and_then_not_missing(machine: Machine) -> None:
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 4})
    assert await machine.agrees() == 0
    said = await machine.run("purge", "--days", "0")
    assert re.match(r"3 rows \(9 counts\) gone, created .*, 2 of them more than an hour ahead", said)
    assert await would_go(machine) == (0, 0)
    assert await machine.client.counts("alice") == {}
    assert await machine.agrees() == 3
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 1})
    assert await machine.agrees() == 3


async def test_the_log_is_trimmed_as_real_time_goes_on(machine: Machine) -> None:
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 4})
    up = machine.deployment.processes["up"]
    assert await machine.operator.metric(up, TRIMMED) == 0
    machine.set_clock(27 * HOUR_S)
    await machine.operator.becomes(up, TRIMMED, 3)
    assert await machine.client.post("alice", "suggestion_shown", 1) == 200
    await machine.client.counts_become("alice", {"suggestion_shown": 5})
    await machine.agrees()
