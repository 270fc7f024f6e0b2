"""Posting a batch over HTTP."""

from __future__ import annotations

from typing import Protocol

import aiohttp

from siddes_telemetry_client.verdict import Answer

MAX_ANSWER_BYTES = 64 * 1024  # 500 rejected entries take 25 KiB; the rest of a longer answer is not read

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "siddes-telemetry-client",
}


class Unreachable(Exception):
    """No answer came. Whether the batch was counted is not known."""


class Transport(Protocol):
    """Sends a batch."""

    async def post(self, body: bytes, token: str) -> Answer:
        """The answer. Raises Unreachable."""


def make_session(timeout_s: float) -> aiohttp.ClientSession:
    """A session that keeps nothing of one viewer for another: no cookies, no credentials of the environment."""
    return aiohttp.ClientSession(
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

    async def post(self, body: bytes, token: str) -> Answer:
        """The answer, a redirect too: it is not followed. Raises Unreachable."""
        headers = {**_HEADERS, "Authorization": f"Bearer {token}"}
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                start = bytearray()
                while len(start) < MAX_ANSWER_BYTES and (chunk := await answer.content.read(MAX_ANSWER_BYTES)):
                    start += chunk
                return Answer(answer.status, bytes(start), answer.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unreachable from None
