"""What a service offers the server: routes, and the plain request and response their handlers see.

A handler gets a request that has passed every check before its own content, and raises ApiError for what it refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from siddes_telemetry.schemas.errors import ErrorCode


class RouteAccess(Enum):
    """Who may call a route, and which tally of the rate limit a call counts in."""

    PUBLIC = "public"  # anybody; not rate limited (the OpenAPI document)
    READ = "read"  # a viewer; counted apart from writes
    WRITE = "write"  # a viewer; a cookie needs a same-site or listed origin


@dataclass(slots=True)  # not frozen: that costs a microsecond for each
class Request:
    """What a handler needs to know of a request."""

    viewer_id: str = field(repr=False)  # empty on public routes
    query: str = field(repr=False)  # as sent, without the question mark
    if_none_match: str | None = field(repr=False)
    body: bytes = field(repr=False)  # whole and decompressed; empty for GET


@dataclass(frozen=True, slots=True)
class Response:
    """A JSON answer. The server adds the request id, CORS and security headers."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response | Awaitable[Response]]
"""Answers at once, or with what is awaited for the answer; a ReplyFuture costs no task of its own."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one exact path; a GET answers HEAD too. `name` is its metric label; aliases share one."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    handler: Handler
    access: RouteAccess
    max_body_bytes: int = 0  # after decompression
    broken_body: ErrorCode = ErrorCode.bad_request  # what a body that does not decompress is called
