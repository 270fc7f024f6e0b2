"""A client of the HTTP API, for tests that count."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import jwt

from tests.product.deployments import JWT_SECRET, Deployment

SETTLE_S = 60.0  # for answered counts to become visible, on a busy machine
POLL_S = 0.05


def token(viewer: str | None, **claims: Any) -> str:
    """Returns a JWT for this viewer that test deployments accept, unless its claims are changed."""
    payload = json.dumps({"sub": viewer, "exp": time.time() + 3600, **claims}).encode()
    return jwt.PyJWS().encode(payload, JWT_SECRET, algorithm="HS256")


def bearer(viewer: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(viewer)}"}


class Client:
    """Posts and reads counts. The caller closes the session."""

    def __init__(self, session: aiohttp.ClientSession, deployment: Deployment) -> None:
        self._session = session
        self._deployment = deployment

    async def post(self, viewer: str, event: str, count: int = 1, *, url: str | None = None) -> int:
        """Post a single count. Returns the status."""
        target = f"{url or self._deployment.write_url}/api/telemetry/ingest"
        body = {"event": event, "count": count}
        async with self._session.post(target, json=body, headers=bearer(viewer)) as answer:
            await answer.read()
            return answer.status

    async def post_batch(
        self, viewer: str, batch_id: UUID, events: Sequence[Mapping[str, object]], *, url: str | None = None
    ) -> int:
        """Post a batch. Returns the status."""
        target = f"{url or self._deployment.write_url}/api/telemetry/batch"
        body = {"batch_id": str(batch_id), "events": list(events)}
        async with self._session.post(target, json=body, headers=bearer(viewer)) as answer:
            await answer.read()
            return answer.status

    async def counts(self, viewer: str, *, days: int = 7) -> dict[str, int]:
        """Returns the summary of this viewer. Fails on any other status than 200."""
        target = f"{self._deployment.read_url}/api/telemetry/summary?days={days}"
        async with self._session.get(target, headers=bearer(viewer)) as answer:
            assert answer.status == 200, answer.status
            counts: dict[str, int] = (await answer.json())["counts"]
            return counts

    async def counts_become(self, viewer: str, expected: dict[str, int]) -> None:
        """Wait until the summary is exactly this. Fail if it exceeds it, or does not reach it."""

        async def settled() -> bool:
            found = await self.counts(viewer)
            over = {event: number for event, number in found.items() if number > expected.get(event, 0)}
            assert not over, f"counted more than was sent: {over}"
            return found == expected

        await eventually(settled, lambda: f"expected {expected}")


async def eventually(
    true: Callable[[], Awaitable[bool]], otherwise: Callable[[], str], *, within_s: float = SETTLE_S
) -> None:
    """Poll until `true` returns True: other processes have no event to wait for."""
    deadline = time.monotonic() + within_s
    while not await true():
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(POLL_S)
