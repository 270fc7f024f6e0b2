"""The OpenAPI document, served to anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping

from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess


def openapi_route(document: Mapping[str, object]) -> Route:
    """Serves this document, written out once."""
    answer = Response(json.dumps(document, separators=(",", ":")).encode(), headers=(("Cache-Control", "no-cache"),))

    async def openapi(_: Request) -> Response:
        return answer

    return Route("GET", "/openapi.json", "openapi", openapi, RouteAccess.PUBLIC)
