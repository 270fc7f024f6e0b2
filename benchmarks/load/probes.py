"""One small batch for each partition of the log, ten times a second, whatever becomes of the ones before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import aiohttp

from siddes_telemetry.schemas.client_batch import batch_key, partition_of
from tests.product.client import bearer

EVERY_S = 0.1
ANSWER_S = 15.0  # the gateway answers within 5 s
VIEWER = "probe"
FAILURES = (aiohttp.ClientError, ConnectionError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None for a request that got none. `at` is in seconds of the monotonic clock."""

    partition: int
    at: float
    status: int | None


class Probes:
    """What was answered so far, by a gateway at `url`."""

    def __init__(self, url: str, partitions: int) -> None:
        self.answers: list[Answer] = []
        self._url = f"{url}/api/telemetry/batch"
        self._partitions = partitions
        self._headers = bearer(VIEWER)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the context lasts, and wait for the last answers."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            sending = group.create_task(self._send(session, group))
            yield
            sending.cancel()

    async def _send(self, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        while True:
            for partition in range(self._partitions):
                group.create_task(self._probe(session, partition))
            due += EVERY_S
            await asyncio.sleep(due - time.monotonic())

    async def _probe(self, session: aiohttp.ClientSession, partition: int) -> None:
        body = {"batch_id": str(self._batch_id(partition)), "events": [{"event": "suggestion_accepted"}]}
        try:
            async with session.post(self._url, json=body, headers=self._headers) as answer:
                await answer.read()
                status: int | None = answer.status
        except FAILURES:
            status = None
        self.answers.append(Answer(partition, time.monotonic(), status))

    def _batch_id(self, partition: int) -> UUID:
        """An id whose batch belongs to this partition."""
        while True:
            id_ = uuid4()
            if partition_of(batch_key(id_.bytes, VIEWER), self._partitions) == partition:
                return id_
