"""An OAuth identity provider: a token endpoint for client credentials, and the keys that its tokens are signed with."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from types import TracebackType
from typing import Self
from urllib.parse import unquote_plus

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "kafka"
ISSUER = "the-tests"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class IdentityProvider:
    """Serves on loopback from a thread of its own, so that it answers while a test blocks.

    `clients`: secrets by client id; the id becomes the token's subject. `lives_s`: seconds that a client's tokens live,
    instead of an hour. `answer`: what answers requests for tokens instead.
    """

    def __init__(self, clients: Mapping[str, str] | None = None) -> None:
        self.clients = dict(clients or {})
        self.lives_s: dict[str, float] = {}
        self.tokens_given = Counter[str]()
        self.answer: Answer | None = None
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []
        """The headers and the form of each request for a token."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def token_url(self) -> str:
        return f"{self._url}/token"

    @property
    def jwks_url(self) -> str:
        return f"{self._url}/jwks"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._runner
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_get("/jwks", self._jwks)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self._url = f"http://127.0.0.1:{port}"

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        self.requests.append((dict(request.headers), {name: str(value) for name, value in form.items()}))
        if self.answer is not None:
            return await self.answer(request)
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        client, _, secret = b64decode(pair).decode().partition(":")
        client, secret = unquote_plus(client), unquote_plus(secret)
        if kind != "Basic" or form["grant_type"] != "client_credentials" or self.clients.get(client) != secret:
            return web.json_response({"error": "invalid_client"}, status=401)
        life_s = self.lives_s.get(client, 3600)
        token = self._signed(client, life_s)
        self.tokens_given[client] += 1
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": life_s})

    def _signed(self, subject: str, life_s: float) -> str:
        now = time.time()
        claims = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": ceil(now + life_s)}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "1"})

    async def _jwks(self, _request: web.Request) -> web.StreamResponse:
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [key | {"kid": "1", "alg": "ES256", "use": "sig"}]})
