"""GET /openapi.json: the OpenAPI document, without authentication."""

from __future__ import annotations

import json
from collections.abc import Mapping

from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess


def openapi_route(document: Mapping[str, object]) -> Route:
    """A route for this document, which is encoded once."""
    response = Response(json.dumps(document, separators=(",", ":")).encode(), headers=(("Cache-Control", "no-cache"),))

    async def openapi(_: Request) -> Response:
        return response

    return Route("GET", "/openapi.json", "openapi", openapi, RouteAccess.PUBLIC)
