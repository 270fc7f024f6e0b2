"""Requests of the HTTP API written out, and answers held against what every answer must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from siddes_telemetry.schemas.errors import ErrorCode
from tests.product.client import bearer

INGEST = "/api/telemetry/ingest"
ALIAS = "/api/telemetry"
BATCH = "/api/telemetry/batch"
SUMMARY = "/api/telemetry/summary"
SERIES = "/api/telemetry/series"
ME = "/api/auth/me"
LISTED_ORIGIN = "https://app.example"
OK = b'{"ok":true}'
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def error(code: str) -> bytes:
    """The whole body of an error."""
    return f'{{"ok":false,"error":"{code}"}}'.encode()


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, or `ok`; the body must be exactly such an error, with that error's status."""
        if self.status == 200:
            return "ok"
        code: str = self.json["error"]
        assert self.body == error(code)
        assert self.status == ErrorCode[code].status
        return code


class Asking:
    """Asks one address. The session is the caller's to close."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Got:
        """Send exactly these headers (and those without which there is no HTTP); check what all answers share."""
        url = URL(self._url + target, encoded=True)
        own = {"Content-Type", "Accept", "Accept-Encoding", "User-Agent"}
        sent = self._session.request(
            method, url, headers=headers, data=body, skip_auto_headers=own, allow_redirects=False
        )
        async with sent as answer:
            got = Got(answer.status, await answer.read(), answer.headers)
        _check_any(got, method)
        return got

    async def get(self, target: str, viewer: str | None = None, **headers: str) -> Got:
        """A GET with a token of this viewer."""
        return await self.ask("GET", target, _with(viewer, headers))

    async def post(self, target: str, viewer: str | None, body: object, **headers: str) -> Got:
        """A POST with a token of this viewer; what is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.ask("POST", target, _with(viewer, headers), content)


def _with(viewer: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return named if viewer is None else {**bearer(viewer), **named}


def _check_any(got: Got, method: str) -> None:
    headers = got.headers
    assert len(headers.getall("X-Request-Id")) == 1
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "siddes"
    assert "no-store" in headers["Cache-Control"] or got.status in {200, 304}
    if got.body:
        assert headers["Content-Type"] == "application/json"
    if got.status >= 400 and method != "HEAD":
        assert got.code in ErrorCode.__members__
        assert ("Retry-After" in headers) == (got.code in {"rate_limited", "unavailable"})
        assert ("Allow" in headers) == (got.code == "method_not_allowed")


def made_id(got: Got) -> bool:
    """Whether the request id is one that the service made."""
    return _REQUEST_ID.fullmatch(got.headers["X-Request-Id"]) is not None
