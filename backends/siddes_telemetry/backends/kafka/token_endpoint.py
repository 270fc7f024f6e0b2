"""Asks an OAuth token endpoint for access tokens, by the client credentials grant (RFC 6749, 4.4)."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote_plus, urlencode

import aiohttp
from aiokafka.errors import KafkaError

from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext

REQUEST_S = 10.0  # identity providers that were idle take seconds
MAX_ANSWER_BYTES = 64 * 1024  # a token has some kilobytes
UNSTATED_LIFE_S = 300.0  # of a token without expires_in, which is optional (RFC 6749, 5.1)
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)  # RFC 6749, 5.2; some send 403
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1; in OAUTHBEARER other characters would be fields


class TokenError(KafkaError):  # type: ignore[misc]  # aiokafka ships no types
    """There is no token to connect to a broker with. A KafkaError, so that aiokafka takes it as a failed connection."""


class TokenRefused(TokenError):
    """The endpoint does not give this client a token."""


class TokenEndpointUntrusted(TokenError):
    """The endpoint's certificate is signed by an unknown CA, expired, or another host's."""


class TokenEndpointUnavailable(TokenError):
    """No connection, no answer in time, or an answer that says that the endpoint does not work."""


class TokenMissing(TokenError):
    """The endpoint answers something without a usable token."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `life_s`: for how long it was valid when it was given."""

    text: str = field(repr=False)
    life_s: float


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """An endpoint and the client that asks it. `tls` is for https."""

    url: str
    client_id: str
    client_secret: RotatingSecret
    scope: str | None
    tls: TlsContext

    async def fetch(self) -> Token:
        """A new token. Raises TokenError within REQUEST_S.

        Sends no cookies, follows no redirect, uses no proxy of the environment.
        """
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": self._authorization(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            async with (
                asyncio.timeout(REQUEST_S),
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self.tls.current()),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,  # it has no limit
                    skip_auto_headers=("User-Agent",),
                    trust_env=False,
                ) as session,
                session.post(self.url, data=urlencode(form), headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status in REFUSALS:
                    raise TokenRefused
                if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise TokenEndpointUnavailable
                if answer.status != HTTPStatus.OK:
                    raise TokenMissing
                return _token(await _read(answer.content))
        except aiohttp.ClientSSLError:
            raise TokenEndpointUntrusted from None
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            raise TokenEndpointUnavailable from None

    def _authorization(self) -> str:
        """HTTP Basic, of the id and the secret in form encoding (RFC 6749, 2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret.current())}"
        return f"Basic {b64encode(pair.encode()).decode()}"


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise TokenMissing
    return bytes(body)


def _token(body: bytes) -> Token:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise TokenMissing from None
    text = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise TokenMissing
    return Token(text, _life_s(answer.get("expires_in")))


def _life_s(expires_in: object) -> float:
    """Seconds. Some servers send the number as text."""
    try:
        life_s = float(expires_in) if isinstance(expires_in, int | float | str) else UNSTATED_LIFE_S
    except (ValueError, OverflowError):
        raise TokenMissing from None
    if not 0 < life_s < float("inf"):  # not a number either
        raise TokenMissing
    return life_s
