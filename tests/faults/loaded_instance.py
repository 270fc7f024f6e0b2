"""An embedded instance under load, for fault cases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.faults.final_check import assert_verify_agrees
from tests.product.client import Client
from tests.product.deployments import Deployment, embedded, start_embedded
from tests.product.load import Load, Pace
from tests.product.process import ServiceProcess

PACE = Pace(connections=16, batch_events=20, single_share=0.4)
FLOWING = 1000


@dataclass
class LoadedInstance:
    """The instance of one case."""

    deployment: Deployment
    load: Load
    client: Client
    rng: random.Random
    injected: int = 0  # faults

    @property
    def process(self) -> ServiceProcess:
        return self.deployment.processes["up"]

    async def flows(self) -> None:
        """Wait until FLOWING further events were answered 200."""
        await self.load.reached(self.load.events + FLOWING)

    async def start_again(self) -> None:
        """Start the process again on the same folder; return when it is ready."""
        await asyncio.to_thread(start_embedded, self.deployment)
        self.load.targets = [self.deployment.write_url]

    async def assert_stored_once(self) -> None:
        """Raises AssertionError unless everything that was answered is counted once."""
        await self.load.adds_up(self.client)
        await asyncio.to_thread(assert_verify_agrees, self.deployment)

    async def difference(self) -> tuple[int, int]:
        return await self.load.difference(self.client)


@dataclass(frozen=True)
class EmbeddedCase:
    """A fault case of an embedded instance."""

    name: str
    kind: str  # its row in the table of results
    inject: Callable[[LoadedInstance], Awaitable[None]]
    short: bool = False


@asynccontextmanager
async def loaded_instance(rng: random.Random, folder: Path) -> AsyncIterator[LoadedInstance]:
    """Yields a ready instance on its own folder."""
    async with AsyncExitStack() as stack:
        deployment = await asyncio.to_thread(stack.enter_context, embedded(folder, LOG_LEVEL="error"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield LoadedInstance(deployment, Load([deployment.write_url], PACE, rng), Client(session, deployment), rng)
