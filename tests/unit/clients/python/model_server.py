"""A gateway in memory: counts an id once for ten minutes, and misbehaves as told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, Self
from uuid import UUID

from siddes_telemetry_client.batch_id import new_id
from siddes_telemetry_client.response import Response
from siddes_telemetry_client.sender import Environment, Sender
from siddes_telemetry_client.transport import Unreachable

WINDOW_S = 600.0  # for which an id is known
KNOWN = ("suggestion_shown", "suggestion_accepted", "suggestion_undo")

LOST: Final = "lost"  # the request never arrived
UNANSWERED: Final = "unanswered"  # it was counted, and the answer never arrived

Behaviour = Response | Literal["lost", "unanswered"] | None

DISABLED = Response(404, b'{"ok":false,"error":"telemetry_disabled"}')
RATE_LIMITED = Response(429, b'{"ok":false,"error":"rate_limited"}', "7")
UNAVAILABLE = Response(503, b'{"ok":false,"error":"unavailable"}')


def well(token: str) -> Behaviour:
    """How a server behaves that is well."""
    return None


class ModelServer:
    """A transport. `behave` says for each request what happens instead of a proper answer, None: nothing."""

    def __init__(self, behave: Callable[[str], Behaviour] = well) -> None:
        self.behave = behave
        self.latency_s = 0.01
        self.bodies: list[tuple[str, bytes]] = []  # each request, in order of arrival
        self.arrived_s: list[float] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.busy = 0
        self.busiest = 0
        self._seen_s: dict[tuple[str, str], float] = {}

    async def post(self, body: bytes, token: str) -> Response:
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            self.bodies.append((token, body))
            self.arrived_s.append(now_s())
            behaviour = self.behave(token)
            proper = self._take(json.loads(body), token) if behaviour in (None, UNANSWERED) else None
            await asyncio.sleep(self.latency_s)
            if isinstance(behaviour, Response):
                return behaviour
            if behaviour is not None or proper is None:
                raise Unreachable
            return proper
        finally:
            self.busy -= 1

    @property
    def ids(self) -> list[str]:
        """The ids in the order in which they arrived."""
        return [json.loads(body)["batch_id"] for _, body in self.bodies]

    def events(self, request: int) -> list[dict[str, object]]:
        """The entries of a request."""
        events: list[dict[str, object]] = json.loads(self.bodies[request][1])["events"]
        return events

    def _take(self, batch: dict[str, list[dict[str, object]]], token: str) -> Response:
        key = (token, str(batch["batch_id"]))
        first = now_s() - self._seen_s.get(key, -WINDOW_S) >= WINDOW_S
        self._seen_s[key] = now_s()
        rejected = []
        for index, entry in enumerate(batch["events"]):
            if entry["event"] not in KNOWN:
                rejected.append({"index": index, "error": "invalid_event"})
            elif first:
                assert isinstance(entry["count"], int)
                self.counted[token, str(entry["event"])] += entry["count"]
        body = {"ok": True, "accepted": len(batch["events"]) - len(rejected), "rejected": rejected}
        return Response(200, json.dumps(body).encode())


def now_s() -> float:
    return asyncio.get_running_loop().time()


class Running:
    """A delivery on virtual time, for as long as the context lasts."""

    def __init__(
        self,
        server: ModelServer,
        *,
        linger_s: float = 2.0,
        max_waiting: int = 10_000,
        random: Callable[[], float] = lambda: 0.5,
        new_id: Callable[[], UUID] = new_id,
    ) -> None:
        self.asleep_s = 0.0  # what the machine spent suspended
        self.sender = Sender(
            server,
            linger_s=linger_s,
            max_waiting=max_waiting,
            env=Environment(lambda: now_s() + self.asleep_s, new_id, random),
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.sender.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        await self.sender.stop()
        stats = self.sender.stats
        assert stats.waiting == 0
        assert stats.called == stats.accepted + stats.dropped

    def count(self, token: str, times: float = 1, event: str = "suggestion_shown") -> None:
        self.sender.count(event, times, token)
