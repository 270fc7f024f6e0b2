"""Routes, and the request and response that their handlers see.

A handler gets a request that has passed every check of request_pipeline.py, and raises ApiError to refuse it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from aiohttp import hdrs

from siddes_telemetry.schemas.errors import ErrorCode


class RouteAccess(Enum):
    """Who may call a route, and which rate limit applies."""

    PUBLIC = "public"  # anyone; no rate limit (the OpenAPI document)
    READ = "read"  # a viewer; limited apart from writes
    WRITE = "write"  # a viewer; a cookie needs a same-site or listed origin


@dataclass(slots=True)  # not frozen: that costs a microsecond per request
class Request:
    """A request as its handler sees it."""

    viewer_id: str = field(repr=False)  # empty on public routes
    query: str = field(repr=False)  # as sent, without the question mark
    if_none_match: str | None = field(repr=False)
    body: bytes = field(repr=False)  # whole and decompressed; empty for GET


@dataclass(frozen=True, slots=True)
class Response:
    """A response, JSON unless its headers say otherwise. The request id, CORS and security headers are added later."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response | Awaitable[Response]]
"""Returns a response, or an awaitable for one. A ReplyFuture needs no task."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one exact path; a GET answers HEAD too. `name` is its metric label; aliases share one."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    handler: Handler
    access: RouteAccess
    max_body_bytes: int = 0  # after decompression
    broken_body: ErrorCode = ErrorCode.bad_request  # the error for a body that is not valid gzip


NO_METHODS: Mapping[str, Route] = {}


def routes_by_path(routes: Iterable[Route]) -> dict[str, dict[str, Route]]:
    """The routes by path and method. Raises ValueError where two share both."""
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        methods[route.method] = route
        if route.method == hdrs.METH_GET:
            methods[hdrs.METH_HEAD] = route  # the same response without its body (RFC 9110, 9.3.2)
    return paths
