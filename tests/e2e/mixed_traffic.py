"""Sends a mix of valid and invalid requests, and counts the outcomes that the metrics must show."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from tests.e2e.http_requests import BATCH, INGEST, ApiClient, ApiResponse
from tests.product.client import bearer
from tests.product.client import token as signed

EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_skipped", "suggestion_edited", "suggestion_undo")
COUNTS = ((3, 3), ("3", 3), (3.9, 3), (True, 1), (99, 50), (0, 1), (None, 1), ("x", 1), (50, 50))  # sent, and counted
WRONG = (
    (INGEST, b"{}", "invalid_event"),
    (INGEST, b'{"event":"no_such_event"}', "invalid_event"),
    (INGEST, b"\xff", "invalid_event"),
    (INGEST, b'{"event":"suggestion_shown","user":"x"}', "unexpected_field"),
    (INGEST, b'{"event":"suggestion_shown","pad":"' + bytes(70_000) + b'"}', "too_large"),
    (BATCH, b'{"batch_id":"1","events":[]}', "invalid_batch"),
    (BATCH, b"[", "invalid_batch"),
    (BATCH, json.dumps({"batch_id": str(UUID(int=1)), "events": [{}] * 501}).encode(), "too_large"),
    (BATCH, json.dumps({"batch_id": str(UUID(int=1)), "events": [], "user": 1}).encode(), "unexpected_field"),
    ("/api/telemetry/elsewhere", b"{}", "not_found"),
    ("/api/auth/me", b"{}", "method_not_allowed"),
)
REJECTED: tuple[tuple[dict[str, object], str], ...] = (
    ({"event": "no_such_event"}, "invalid_event"),
    ({"event": EVENTS[0], "user": 1}, "unexpected_field"),
)
NOBODY: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "no_credentials"),
    ({"Authorization": "Basic dXNlcjpwYXNz"}, "no_credentials"),
    ({"Authorization": "Bearer x"}, "not_a_token"),
    ({"Cookie": "sessionid=opaque"}, "not_a_token"),
    ({"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, "algorithm"),
    ({"Authorization": f"Bearer {signed('v')[:-4]}AAAA"}, "signature"),
    ({"Authorization": f"Bearer {signed('v', exp=1)}"}, "expired"),
    ({"Cookie": f"sessionid={signed('v', exp=1)}"}, "expired"),
    ({"Authorization": f"Bearer {signed('v', nbf=4_000_000_000)}"}, "not_yet_valid"),
    ({"Authorization": f"Bearer {signed('v', aud='others')}"}, "audience"),
    ({"Authorization": f"Bearer {signed('v', exp='soon')}"}, "claims"),
    ({"Authorization": f"Bearer {signed(None)}"}, "no_subject"),
    ({"Authorization": f"Bearer {signed('v w')}"}, "subject_form"),
)

Items = Sequence[dict[str, object]]


class MixedTraffic:
    """Sends requests to any of `urls`, each as a new viewer, and keeps totals of the answers."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], rng: random.Random) -> None:
        self._clients = [ApiClient(session, url) for url in urls]
        self._urls = urls
        self._rng = rng
        self._sent_batches: list[tuple[str, UUID, Items, int]] = []
        self.viewers: list[str] = []
        self.accepted = 0  # counts answered 200, retries included
        self.repeated = 0  # the part of them that was retries
        self.rejected = Counter[str]()  # events of answered batches, by code
        self.refused = Counter[str]()  # requests, by code
        self.nobodies = Counter[str]()  # requests without a valid credential, by reason
        self.gone = 0  # requests whose client left before the answer; a count of 1 each

    async def send(self, number: int) -> None:
        """Send this number of requests, a dozen at a time, of every kind in turn."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self._single, self._batch, self._retry, self._hedged, self._wrong, self._unauthorised, self._leave
        ]  # fmt: skip
        for start in range(0, number, 12):
            await asyncio.gather(*(kinds[n % len(kinds)]() for n in range(start, start + 12)))

    async def rush(self, requests: int) -> None:
        """One viewer sends all these at once: the rate limit refuses some."""
        viewer = self._viewer()
        answers = await asyncio.gather(
            *(self._client().post(INGEST, viewer, {"event": EVENTS[0]}) for _ in range(requests))
        )
        for got in answers:
            self._note(got, 1)
        assert self.refused["rate_limited"] > 0

    async def break_http(self) -> None:
        """Send something that is not HTTP."""
        reader, writer = await self._connect()
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        self.refused["bad_request"] += 1

    def _client(self) -> ApiClient:
        return self._rng.choice(self._clients)

    def _viewer(self) -> str:
        self.viewers.append(f"viewer-{len(self.viewers)}")
        return self.viewers[-1]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self._rng.choice(self._urls))
        return await asyncio.open_connection(address.hostname, address.port)

    async def _single(self) -> None:
        sent, counted = self._rng.choice(COUNTS)
        got = await self._client().post(INGEST, self._viewer(), {"event": self._rng.choice(EVENTS), "count": sent})
        self._note(got, counted)

    async def _batch(self) -> None:
        viewer, batch_id, items, counted = batch = self._new_batch()
        self._note(await self._post(viewer, batch_id, items), counted)
        if counted:  # a batch without a valid event leaves no key
            self._sent_batches.append(batch)

    async def _retry(self) -> None:
        if not self._sent_batches:
            return
        viewer, batch_id, items, counted = self._rng.choice(self._sent_batches)
        self._note(await self._post(viewer, batch_id, items), counted)
        self.repeated += counted

    async def _hedged(self) -> None:
        """Send the retry before the first try is answered."""
        viewer, batch_id, items, counted = self._new_batch()
        for got in await asyncio.gather(*(self._post(viewer, batch_id, items) for _ in range(2))):
            self._note(got, counted)
        self.repeated += counted

    async def _wrong(self) -> None:
        target, body, code = self._rng.choice(WRONG)
        got = await self._client().post(target, self._viewer(), body)
        assert got.code == code
        self._note(got, 0)

    async def _unauthorised(self) -> None:
        headers, reason = self._rng.choice(NOBODY)
        got = await self._client().ask("POST", INGEST, headers, json.dumps({"event": EVENTS[0]}).encode())
        assert got.code == "no_viewer", reason
        self.nobodies[reason] += 1
        self._note(got, 0)

    async def _leave(self) -> None:
        """Post a count and disconnect before the answer."""
        body = json.dumps({"event": EVENTS[0], "count": 1}).encode()
        token = bearer(self._viewer())["Authorization"]
        head = f"POST {INGEST} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        _, writer = await self._connect()
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        self.gone += 1

    def _new_batch(self) -> tuple[str, UUID, Items, int]:
        counts = [self._rng.choice(COUNTS) for _ in range(self._rng.randrange(20))]
        items: list[dict[str, object]] = [{"event": self._rng.choice(EVENTS), "count": sent} for sent, _ in counts]
        items += [self._rng.choice(REJECTED)[0] for _ in range(self._rng.randrange(3))]
        self._rng.shuffle(items)
        return self._viewer(), UUID(int=self._rng.getrandbits(128), version=4), items, sum(n for _, n in counts)

    async def _post(self, viewer: str, batch_id: UUID, items: Items) -> ApiResponse:
        got = await self._client().post(BATCH, viewer, {"batch_id": str(batch_id), "events": items})
        for rejected in got.json["rejected"]:
            assert (items[rejected["index"]], rejected["error"]) in REJECTED
            self.rejected[rejected["error"]] += 1
        return got

    def _note(self, got: ApiResponse, counted: int) -> None:
        if got.code == "ok":
            self.accepted += counted
        else:
            self.refused[got.code] += 1
