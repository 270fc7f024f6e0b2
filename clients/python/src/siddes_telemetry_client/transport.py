"""Posts a batch over HTTP."""

from __future__ import annotations

from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver

from siddes_telemetry_client.response import Response

MAX_RESPONSE_BYTES = 64 * 1024  # 500 rejected entries take 25 KiB; the rest of a longer body is not read

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "siddes-telemetry-client",
}


class Unreachable(Exception):
    """No response arrived. The batch may or may not have been counted."""


class Transport(Protocol):
    """Sends a batch."""

    async def post(self, body: bytes, token: str) -> Response:
        """The response. Raises Unreachable."""


def make_session(timeout_s: float, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session without state of a viewer: it keeps no cookies and reads no credentials from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


class HttpTransport:
    """Posts to one address."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def post(self, body: bytes, token: str) -> Response:
        """The response, also of a redirect: it is not followed. Raises Unreachable."""
        headers = {**_HEADERS, "Authorization": f"Bearer {token}"}
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                received = bytearray()
                while len(received) < MAX_RESPONSE_BYTES and (chunk := await response.content.read(MAX_RESPONSE_BYTES)):
                    received += chunk
                return Response(response.status, bytes(received), response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError):  # the last: a host that can have no name
            raise Unreachable from None
