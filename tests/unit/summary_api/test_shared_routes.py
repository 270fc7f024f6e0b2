"""The routes that both services serve."""

from __future__ import annotations

import json

from siddes_telemetry.web.auth_me import AUTH_ME
from siddes_telemetry.web.openapi_route import openapi_route
from siddes_telemetry.web.routing import Request, RouteAccess
from tests.unit.web.handlers import answer


async def test_auth_me_names_the_viewer_and_is_not_kept() -> None:
    response = await answer(AUTH_ME, Request("A.b_c:d@e-f", "", None, b""))
    assert response.body == b'{"ok":true,"viewer_id":"A.b_c:d@e-f"}'
    assert ("Cache-Control", "no-store") in response.headers
    assert (AUTH_ME.path, AUTH_ME.access) == ("/api/auth/me", RouteAccess.READ)


async def test_the_openapi_document_is_served_to_anybody() -> None:
    route = openapi_route({"openapi": "3.1.0"})
    assert (route.path, route.access) == ("/openapi.json", RouteAccess.PUBLIC)
    assert json.loads((await answer(route, Request("", "", None, b""))).body) == {"openapi": "3.1.0"}
