"""Readers of summaries in a steady pace, who see whether a summary ever takes back what it has shown."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.product.load import FAILURES, Tokens
from tests.soak.old_counts import RETENTION_DAYS

READERS = 4
ANSWER_S = 15.0


class TakenBack(AssertionError):
    """A summary showed less of what cannot expire, or more of what can only expire."""


class Readers:
    """Read the summaries of these viewers from `targets`, which may be changed meanwhile.

    The sums of `viewers` only rise, and those of `old` only fall.
    """

    def __init__(self, targets: Sequence[str], viewers: Sequence[str], old: Sequence[str], rng: random.Random) -> None:
        self.targets = list(targets)
        self.answer_s: list[float] = []  # since the caller has last emptied it
        self.statuses = Counter[int]()
        self.broken = 0
        self._viewers = [*viewers]
        self._old = frozenset(old)
        self._rng = rng
        self._tokens = Tokens()
        self._seen: dict[str, Mapping[str, int]] = {}

    @asynccontextmanager
    async def running(self, session: aiohttp.ClientSession, a_second: float) -> AsyncIterator[None]:
        """Read so often while the context lasts."""
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(self._read(session, READERS / a_second)) for _ in range(READERS)]
            try:
                yield
            finally:
                for each in reading:
                    each.cancel()

    async def counts(self, session: aiohttp.ClientSession, viewer: str) -> dict[str, int] | None:
        """The summary of the last day by event, or None if there was no answer 200."""
        url = f"{self._rng.choice(self.targets)}/api/telemetry/summary?days={RETENTION_DAYS}"
        began_s = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with session.get(url, headers=self._tokens.of(viewer), timeout=timeout) as answer:
                body: dict[str, Any] = await answer.json()
        except FAILURES:
            self.broken += 1
            return None
        self.statuses[answer.status] += 1
        if answer.status != 200:
            assert answer.status == 503, answer.status
            return None
        self.answer_s.append(time.monotonic() - began_s)
        return dict(body["counts"])

    async def _read(self, session: aiohttp.ClientSession, period_s: float) -> None:
        while True:
            due_s = time.monotonic() + period_s
            viewer = self._rng.choice(self._viewers if self._rng.random() < 0.9 else sorted(self._old))
            before = self._seen.get(viewer)
            found = await self.counts(session, viewer)
            if found is not None:
                if before is not None:
                    self._compare(viewer, before, found)
                self._seen[viewer] = found
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    def _compare(self, viewer: str, before: Mapping[str, int], found: Mapping[str, int]) -> None:
        for event in before.keys() | found.keys():
            then, now = before.get(event, 0), found.get(event, 0)
            if now > then if viewer in self._old else now < then:
                raise TakenBack(f"{viewer}, {event}: {then}, and later {now}")
