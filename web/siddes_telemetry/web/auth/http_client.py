"""Bounded GETs to the two servers the operator named: the identity provider's and the app's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

import aiohttp
from aiohttp import hdrs

from siddes_telemetry.web.auth.content_coding import TooLargeError, UndecodableError, decoded
from siddes_telemetry.web.auth.redirects import REDIRECTS, leads_to_sign_in

MAX_CONNECTIONS = 80  # above introspection's open questions, so that keys can always be fetched


class FetchErrorReason(StrEnum):
    """Why asking another server came to nothing."""

    connection = "connection"
    timeout = "timeout"
    status = "status"
    redirect = "redirect"
    size = "size"
    content = "content"
    crowded = "crowded"  # it was not even asked: too many questions are open


class AuthenticationUnavailable(Exception):
    """Somebody who must be asked did not answer: who is asking cannot be told now."""


class FetchError(Exception):
    """There is no answer to work with. The text is a FetchErrorReason."""

    def __init__(self, problem: FetchErrorReason) -> None:
        super().__init__(problem.value)
        self.problem = problem


class Redirected(FetchError):
    """The answer is a redirect, which nobody follows. `to_sign_in`: as redirects.leads_to_sign_in has it."""

    def __init__(self, status: int, *, to_sign_in: bool) -> None:
        super().__init__(FetchErrorReason.redirect)
        self.status = status
        self.to_sign_in = to_sign_in


class Get(Protocol):
    """A bounded GET."""

    async def __call__(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout_s: float
    ) -> tuple[int, bytes]:
        """(status, body), all of it within `timeout_s`, the body of at most `max_bytes` with and without its coding.

        The body of another status than 200 is not read. Raises FetchError.
        """


class HttpGet:
    """A client that opens with its first use, keeps no cookies, follows no redirects and reads no environment.

    Besides Host it sends the headers it is given and no others.
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
                auto_decompress=False,  # nothing compressed is asked for; what comes so all the same is inflated below
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
        return Redirected(status, to_sign_in=leads_to_sign_in(status, url, location))
    except ValueError:
        return FetchError(FetchErrorReason.status)


async def _read(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > max_bytes:
            raise FetchError(FetchErrorReason.size)
    return bytes(body)
