"""GET /api/auth/me: the viewer that the request was authenticated as. Both services serve it."""

from __future__ import annotations

import json

from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess


async def _auth_me(request: Request) -> Response:
    body = json.dumps({"ok": True, "viewer_id": request.viewer_id}, separators=(",", ":")).encode()
    return Response(body, headers=(("Cache-Control", "no-store"),))


AUTH_ME = Route("GET", "/api/auth/me", "auth_me", _auth_me, RouteAccess.READ)
