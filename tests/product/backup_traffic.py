"""Viewers that post batches, each one after the other, while backups are made.

A viewer's next batch goes out when the one before was answered. So at any moment the log has the first k batches of
each viewer, and a backup is of one moment only if it has, of each viewer, the sum of the first k for some k.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from uuid import UUID

import aiohttp

from tests.product.client import Client
from tests.product.deployments import Deployment

EVENT = "suggestion_shown"
PAUSE_S = 0.05  # between two batches of a viewer: hundreds in all, as each is sent again


@dataclass
class Viewer:
    """`sent` are (id, count) of the batches; the first `answered` of them were answered 200."""

    name: str
    sent: list[tuple[UUID, int]] = field(default_factory=list)
    answered: int = 0

    @property
    def sums(self) -> list[int]:
        """The sum of the first k batches, by k."""
        return [0, *accumulate(count for _, count in self.sent)]


class BackupTraffic:
    """Viewers, and the batches that they have sent."""

    def __init__(self, rng: Random, *, viewers: int = 4) -> None:
        self.viewers = [Viewer(f"viewer-{number}") for number in range(viewers)]
        self._rng = rng
        self._answers = asyncio.Event()

    def answered(self) -> list[int]:
        return [viewer.answered for viewer in self.viewers]

    def sent(self) -> list[int]:
        return [len(viewer.sent) for viewer in self.viewers]

    @asynccontextmanager
    async def running(self, deployment: Deployment) -> AsyncIterator[None]:
        """Post while the context lasts."""
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            client = Client(session, deployment)
            for viewer in self.viewers:
                group.create_task(self._post(client, viewer, stop))
            yield
            stop.set()

    async def reached(self, more: int) -> None:
        """Wait until every viewer has had this number of further answers."""
        wanted = [answered + more for answered in self.answered()]
        async with asyncio.timeout(60):
            while any(now < then for now, then in zip(self.answered(), wanted, strict=True)):
                await self._answers.wait()

    async def send_all_again(self, client: Client) -> None:
        """As clients do that never got an answer."""

        async def resend(viewer: Viewer) -> None:
            for batch_id, count in viewer.sent:
                assert await client.post_batch(viewer.name, batch_id, [{"event": EVENT, "count": count}]) == 200

        await asyncio.gather(*map(resend, self.viewers))

    async def _post(self, client: Client, viewer: Viewer, stop: asyncio.Event) -> None:
        while not stop.is_set():
            batch_id, count = UUID(int=self._rng.getrandbits(128), version=4), self._rng.randint(1, 50)
            viewer.sent.append((batch_id, count))
            assert await client.post_batch(viewer.name, batch_id, [{"event": EVENT, "count": count}]) == 200
            viewer.answered += 1
            self._answers.set()
            self._answers = asyncio.Event()
            await asyncio.sleep(PAUSE_S)
