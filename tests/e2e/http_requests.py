"""A client that sends exactly the given headers and checks what every answer of the HTTP API has in common."""

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
    """Returns the body of an error answer."""
    return f'{{"ok":false,"error":"{code}"}}'.encode()


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer."""

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, or `ok`. Checks the body and the status of an error."""
        if self.status == 200:
            return "ok"
        code: str = self.json["error"]
        assert self.body == error(code)
        assert self.status == ErrorCode[code].status
        return code


class ApiClient:
    """Sends requests to one address. The caller closes the session."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> ApiResponse:
        """Send exactly these headers, and those that HTTP requires; check what all answers share."""
        url = URL(self._url + target, encoded=True)
        own = {"Content-Type", "Accept", "Accept-Encoding", "User-Agent"}
        sent = self._session.request(
            method, url, headers=headers, data=body, skip_auto_headers=own, allow_redirects=False
        )
        async with sent as answer:
            got = ApiResponse(answer.status, await answer.read(), answer.headers)
        _check_any(got, method)
        return got

    async def get(self, target: str, viewer: str | None = None, **headers: str) -> ApiResponse:
        """Send a GET with a token of this viewer."""
        return await self.ask("GET", target, _with(viewer, headers))

    async def post(self, target: str, viewer: str | None, body: object, **headers: str) -> ApiResponse:
        """Send a POST with a token of this viewer. A body other than bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.ask("POST", target, _with(viewer, headers), content)


def _with(viewer: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return named if viewer is None else {**bearer(viewer), **named}


def _check_any(got: ApiResponse, method: str) -> None:
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


def made_id(got: ApiResponse) -> bool:
    """Returns whether the service made the request id itself."""
    return _REQUEST_ID.fullmatch(got.headers["X-Request-Id"]) is not None
