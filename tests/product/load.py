"""Load: connections that post counts during faults, and remember what was answered."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import aiohttp

from tests.product.client import SETTLE_S, bearer, eventually

BATCHED = ("suggestion_shown", "suggestion_accepted", "suggestion_skipped")
SINGLE = "suggestion_undo"  # never in a batch: a single count has no id, so the effect of an unanswered one is unknown
RETRY_S = 0.05  # before a request that failed is sent again; far below Retry-After, to keep the pressure up
SDK_BASE_S, SDK_CAP_S = 1.0, 60.0  # of the SDK's back-off: clients/typescript/src/limits.ts
TOKEN_S = 1800.0  # after which a viewer has a new token: before the old one expires
RESENT_SHARE = 0.05  # of the batches: as a client does that loses the answer 200
ANSWER_S = 15.0  # the gateway's deadline is 5 s
FAILURES = (aiohttp.ClientError, ConnectionError, TimeoutError)


def seeded() -> random.Random:
    """Returns a generator whose seed is FAULTS_SEED, or random and printed."""
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(2**32))
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)


class Sums(Protocol):
    """Reads what was counted."""

    async def counts(self, viewer: str) -> dict[str, int]:
        """By event."""


def at_once(_rng: random.Random, _failures: int, _retry_after_s: float) -> float:
    """The wait of a client that spares nobody."""
    return RETRY_S


def as_the_sdk(rng: random.Random, failures: int, retry_after_s: float) -> float:
    """The wait of the SDK after so many failures: Retry-After, and full jitter (clients/typescript/src/queue.ts)."""
    return retry_after_s + rng.random() * min(SDK_CAP_S, SDK_BASE_S * 2.0 ** (failures - 1))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a load is made up. With `period_s`, a connection begins a request so often if the answer comes sooner."""

    events: float = 2_000_000  # after which the load ends
    connections: int = 16
    viewers: int = 8
    batch_events: int = 20
    pause_s: float = 0.0  # of a connection between two requests
    period_s: float = 0.0
    single_share: float = 0.2  # of the requests
    retry_wait_s: Callable[[random.Random, int, float], float] = at_once


class Tokens:
    """The headers of viewers. A token is made when it is needed, and anew before it expires."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, dict[str, str]]] = {}

    def of(self, viewer: str) -> dict[str, str]:
        """The Authorization header of this viewer."""
        now_s = time.monotonic()
        made_s, headers = self._made.get(viewer, (-TOKEN_S, {}))
        if not headers or now_s - made_s >= TOKEN_S:
            headers = bearer(viewer)
            self._made[viewer] = (now_s, headers)
        return headers


class Load:
    """Requests of several viewers to `targets`, which may be changed while it runs.

    A batch is retried under its id until it is answered 200, so the sum of the batches is known exactly once the load
    has ended. A single count is sent once, so only bounds of their sum are known.
    """

    def __init__(self, targets: Sequence[str], pace: Pace, rng: random.Random) -> None:
        self.targets = list(targets)
        self.viewers = [f"viewer-{number}" for number in range(pace.viewers)]
        self.batched = {viewer: Counter[str]() for viewer in self.viewers}
        self.singles_answered = Counter[str]()
        self.singles_tried = Counter[str]()
        self.statuses = Counter[int]()
        self.broken = 0  # requests without an answer
        self.events = 0  # answered 200
        self.sent = 0  # events, each time they went out
        self.retried = 0  # batches that went out again
        self.answer_s: list[float] = []  # times of the answers 200 since the caller has last emptied it
        self._pace = pace
        self._rng = rng
        self._tokens = Tokens()
        self._given_out = 0
        self._stop = False
        self._going = asyncio.Event()
        self._going.set()
        self._in_flight = 0
        self._progress = asyncio.Condition()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Post while the context lasts and events are left; then finish what was begun."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        async with session, asyncio.TaskGroup() as group:
            posting = [group.create_task(self._post(session)) for _ in range(self._pace.connections)]
            yield
            self._stop = True
            async with asyncio.timeout(SETTLE_S):
                await asyncio.gather(*posting)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Nothing is posted while the context lasts, and no retry is pending."""
        self._going.clear()
        try:
            async with asyncio.timeout(SETTLE_S), self._progress:
                await self._progress.wait_for(lambda: self._in_flight == 0)
            yield
        finally:
            self._going.set()

    async def reached(self, events: int) -> None:
        """Wait until this number of events was answered 200."""
        async with asyncio.timeout(SETTLE_S), self._progress:
            await self._progress.wait_for(lambda: self.events >= events)

    async def answers(self, status: int, more: int = 1) -> None:
        """Wait for this number of further answers of this status."""
        async with asyncio.timeout(SETTLE_S), self._progress:
            until = self.statuses[status] + more
            await self._progress.wait_for(lambda: self.statuses[status] >= until)

    async def adds_up(self, sums: Sums) -> None:
        """Wait until the summaries are exactly what was answered. Fail if they exceed it."""
        for viewer in self.viewers:
            await eventually(partial(self._summed, sums, viewer), partial(self._expectation, viewer))

    async def difference(self, sums: Sums) -> tuple[int, int]:
        """Returns (answered counts that are not stored, stored counts beyond those that were sent), now."""
        lost = doubled = 0
        for viewer in self.viewers:
            found = Counter(await sums.counts(viewer))
            single = found.pop(SINGLE, 0)
            lost += (self.batched[viewer] - found).total() + max(0, self.singles_answered[viewer] - single)
            doubled += (found - self.batched[viewer]).total() + max(0, single - self.singles_tried[viewer])
        return lost, doubled

    async def _summed(self, sums: Sums, viewer: str) -> bool:
        found = await sums.counts(viewer)
        single = found.pop(SINGLE, 0)
        over = Counter(found) - self.batched[viewer]
        assert not over, f"counted more than was sent: {over}"
        assert single <= self.singles_tried[viewer], "more singles were counted than sent"
        return found == self.batched[viewer] and single >= self.singles_answered[viewer]

    def _expectation(self, viewer: str) -> str:
        return f"{viewer}: {self.batched[viewer]} and {self.singles_answered[viewer]} or more singles were expected"

    async def _post(self, session: aiohttp.ClientSession) -> None:
        while not self._stop and self._given_out < self._pace.events:
            viewer = self._rng.choice(self.viewers)
            due_s = time.monotonic() + self._pace.period_s
            self._in_flight += 1
            if self._rng.random() < self._pace.single_share:
                await self._post_single(session, viewer)
            else:
                await self._post_batch(session, viewer)
            self._in_flight -= 1
            await self._told()
            await asyncio.sleep(max(self._pace.pause_s, due_s - time.monotonic()))
            await self._going.wait()

    async def _post_single(self, session: aiohttp.ClientSession, viewer: str) -> None:
        self._given_out += 1
        count = self._rng.randint(1, 50)
        self.singles_tried[viewer] += count
        self.sent += 1
        status, retry_after_s = await self._try(session, viewer, "ingest", {"event": SINGLE, "count": count})
        if status == 200:
            self.singles_answered[viewer] += count
            await self._answered(1)
        else:
            self._given_out -= 1  # another event takes its place
            await asyncio.sleep(self._pace.retry_wait_s(self._rng, 1, retry_after_s))

    async def _post_batch(self, session: aiohttp.ClientSession, viewer: str) -> None:
        size = int(min(self._pace.batch_events, self._pace.events - self._given_out))
        self._given_out += size
        events = [(self._rng.choice(BATCHED), self._rng.randint(1, 3)) for _ in range(size)]
        batch_id = UUID(int=self._rng.getrandbits(128), version=4)
        body = {"batch_id": str(batch_id), "events": [{"event": event, "count": count} for event, count in events]}
        tries = 0
        for _ in range(2 if self._rng.random() < RESENT_SHARE else 1):
            failures, status = 0, None
            while status != 200:
                status, retry_after_s = await self._try(session, viewer, "batch", body)
                tries += 1
                if status != 200:
                    failures += 1
                    await asyncio.sleep(self._pace.retry_wait_s(self._rng, failures, retry_after_s))
        self.sent += tries * size
        self.retried += tries - 1
        for event, count in events:
            self.batched[viewer][event] += count
        await self._answered(size)

    async def _try(
        self, session: aiohttp.ClientSession, viewer: str, path: str, body: Mapping[str, Any]
    ) -> tuple[int | None, float]:
        """Returns the status of one try, or None if it broke, and Retry-After.

        Fails unless the status is 200, or 503 with Retry-After.
        """
        url = f"{self._rng.choice(self.targets)}/api/telemetry/{path}"
        began_s = time.monotonic()
        try:
            async with session.post(url, json=body, headers=self._tokens.of(viewer)) as answer:
                await answer.read()
        except FAILURES:
            self.broken += 1
            return None, 0.0
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.answer_s.append(time.monotonic() - began_s)
            return 200, 0.0
        assert answer.status == 503, answer.status
        await self._told()
        return 503, float(answer.headers["Retry-After"])

    async def _answered(self, events: int) -> None:
        self.events += events
        await self._told()

    async def _told(self) -> None:
        async with self._progress:
            self._progress.notify_all()
