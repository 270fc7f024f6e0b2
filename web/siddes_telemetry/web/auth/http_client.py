"""GET with limits on time and size, for the two servers that the operator names: the identity provider and the app."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import hdrs

from siddes_telemetry.web.auth.content_coding import TooLargeError, UndecodableError, decoded

MAX_CONNECTIONS = 80  # more than introspection's concurrent requests, so that keys can always be fetched
REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class FetchErrorReason(StrEnum):
    """Why a request to another server brought no usable response."""

    connection = "connection"
    timeout = "timeout"
    status = "status"
    redirect = "redirect"
    size = "size"
    content = "content"
    crowded = "crowded"  # not sent: too many requests run already


class AuthenticationUnavailable(Exception):
    """The app or the identity provider did not answer, so it is not known who the viewer is."""


class FetchError(Exception):
    """There is no usable response. The text is the reason."""

    def __init__(self, reason: FetchErrorReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Redirected(FetchError):
    """The response is a redirect, which is not followed. `location` may be relative, and may hold secrets."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(FetchErrorReason.redirect)
        self.status = status
        self.location = location


class Get(Protocol):
    """A GET with limits."""

    async def __call__(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout_s: float
    ) -> tuple[int, bytes]:
        """(status, body), within `timeout_s`. `max_bytes` limits the body, both as sent and decoded.

        The body of another status than 200 is not read. Raises FetchError.
        """


class HttpGet:
    """A client without cookies, redirects and settings from the environment. Opens at its first use.

    Sends the given headers and Host, nothing else.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout_s: float
    ) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # it has no limit; compression is not asked for, and decoded below if sent
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                trust_env=False,
            )
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if response.status in REDIRECTS and hdrs.LOCATION in response.headers:
                    raise _redirected(response.status, url, response.headers[hdrs.LOCATION])
                if response.status != HTTPStatus.OK:
                    return response.status, b""
                body = await _read(response.content, max_bytes)
                return response.status, decoded(body, response.headers.getall(hdrs.CONTENT_ENCODING, ()), max_bytes)
        except TimeoutError:
            raise FetchError(FetchErrorReason.timeout) from None
        except (aiohttp.ClientError, OSError):
            raise FetchError(FetchErrorReason.connection) from None
        except TooLargeError:
            raise FetchError(FetchErrorReason.size) from None
        except UndecodableError:
            raise FetchError(FetchErrorReason.content) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _redirected(status: int, url: str, location: str) -> FetchError:
    try:
        urlsplit(urljoin(url, location))
    except ValueError:  # no URL
        return FetchError(FetchErrorReason.status)
    return Redirected(status, location)


async def _read(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > max_bytes:
            raise FetchError(FetchErrorReason.size)
    return bytes(body)
