"""Asking a route's handler, which may answer at once or later."""

from __future__ import annotations

from siddes_telemetry.web.routing import Request, Response, Route


async def answer(route: Route, request: Request) -> Response:
    outcome = route.handler(request)
    return outcome if isinstance(outcome, Response) else await outcome
