"""Keys that rotate under a live process: who is asked, who waits, and who is told to come again."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from siddes_telemetry.web.auth.jwks import FETCH_EVERY_S
from tests.e2e.http_requests import ME, ApiClient, ApiResponse
from tests.product.client import eventually
from tests.product.client import token as hs256
from tests.product.deployments import Deployment, embedded
from tests.product.metric_totals import MetricTotals
from tests.unit.web.auth.auth_harness import jwk, jwk_set, private_key

ALGORITHM = "PS256"


@dataclass
class Provider:
    """An identity provider on loopback."""

    numbers: list[int] = field(default_factory=lambda: [0])  # of the keys it publishes
    asked_at: list[float] = field(default_factory=list)
    url: str = ""

    def answer(self) -> bytes:
        self.asked_at.append(time.monotonic())
        return jwk_set(*(jwk(ALGORITHM, number) for number in self.numbers))


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = provider.answer()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}/jwks"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running(Provider()) as provider:
        yield provider


@pytest.fixture
def deployment(tmp_path: Path, provider: Provider) -> Iterator[Deployment]:
    """A secret of the app's own beside the provider's keys; viewers are named by a claim of another name."""
    with embedded(
        tmp_path,
        LOG_LEVEL="debug",
        JWT_JWKS_URL=provider.url,
        JWT_ALGORITHM=ALGORITHM,
        JWT_CLAIM="https://app.example/id",
    ) as running_shape:
        yield running_shape


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def signed(number: int, viewer: object = "alice", key_id: str | None = None) -> dict[str, str]:
    payload = {"https://app.example/id": viewer, "sub": "nobody we know", "exp": time.time() + 3600}
    headers = {"kid": key_id or f"k{number}"}
    token = jwt.PyJWS().encode(json.dumps(payload).encode(), private_key(ALGORITHM, number), ALGORITHM, headers)
    return {"Authorization": f"Bearer {token}"}


async def test_a_rotation_under_a_flood_of_made_up_tokens(
    deployment: Deployment, provider: Provider, session: aiohttp.ClientSession
) -> None:
    asking = ApiClient(session, deployment.write_url)

    async def ask(headers: dict[str, str]) -> ApiResponse:
        return await asking.ask("GET", ME, headers)

    assert (await ask(signed(0))).json["viewer_id"] == "alice"
    by_secret = {"Authorization": f"Bearer {hs256('x', **{'https://app.example/id': 7})}"}
    assert (await ask(by_secret)).json["viewer_id"] == "7"
    over = asyncio.Event()
    flood = asyncio.create_task(_flood(ask, over))
    try:
        await _asked(provider, 2)  # by the flood, the first moment at which it may be
        provider.numbers.append(1)
        new = signed(1)
        statuses: list[int] = []

        async def taken() -> bool:
            assert (await ask(signed(0, f"known-{len(statuses)}"))).status == 200
            got = await ask(new)
            statuses.append(got.status)
            assert got.code in {"ok", "unavailable"}
            assert got.status == 200 or 1 <= int(got.headers["Retry-After"]) <= FETCH_EVERY_S
            return got.status == 200

        await eventually(taken, lambda: "the new key is never known", within_s=20)
        assert statuses[0] == 503
    finally:
        over.set()
    refused, pending = await flood
    gaps = [later - earlier for earlier, later in zip(provider.asked_at, provider.asked_at[1:], strict=False)]
    assert min(gaps) > FETCH_EVERY_S - 0.5  # as the provider sees them
    assert refused > 0
    assert pending > 0

    books = await MetricTotals.of(session, deployment.processes.values())
    mine = statuses.count(503)
    assert books.by("code", "siddes_http_errors_total") == {"no_viewer": refused, "key_pending": pending + mine}
    assert books.by("reason", "siddes_auth_refusals_total") == {"unknown_key": refused}
    said = deployment.processes["up"].said()
    assert '"level": "warning"' not in said
    assert said.count('"event": "no_viewer"') == refused
    async with session.get(f"{deployment.processes['up'].admin}/readyz") as ready:
        assert ready.status == 200


async def _flood(ask: Any, over: asyncio.Event) -> tuple[int, int]:
    """Tokens that nobody signed, one after the other; how many were refused, and how many told to come again."""
    answers = {401: 0, 503: 0}
    number = 0
    while not over.is_set():
        number += 1
        answers[(await ask(signed(9, key_id=f"made-up-{number}"))).status] += 1
        await asyncio.sleep(0.005)  # leave others some of the machine
    return answers[401], answers[503]


async def _asked(provider: Provider, times: int) -> None:
    async def asked() -> bool:
        return len(provider.asked_at) >= times

    await eventually(asked, lambda: f"the provider was not asked {times} times")
