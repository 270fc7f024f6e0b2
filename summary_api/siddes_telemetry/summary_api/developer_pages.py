"""Serves the developer dashboard and the demo page, in debug mode only. They are built from clients/pages."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess

DASHBOARD_PATH = "/developer/telemetry"
DEMO_PATH = f"{DASHBOARD_PATH}/demo"

_FOLDER = Path(__file__).parent / "pages"
_DOCUMENTS = {DASHBOARD_PATH: "dashboard.html", f"{DASHBOARD_PATH}/": "dashboard.html", DEMO_PATH: "demo.html"}
# A closed list, so that files that an editor leaves in the folder are not served.
_LOADED = ("dashboard.js", "demo.js", "sdk.js", "sdk-debug.js", "pages.css", "icon.svg")
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
# Allows only these files and this origin's API; no inline script or style (CSP level 3, Trusted Types).
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def developer_routes(registry: Registry) -> list[Route]:
    """Routes of the two pages and the files that they load. The pages have no counts: they read them from the API."""
    events = [
        {"name": event.name, "label": event.label, "meaning": event.meaning, "retired": event.retired}
        for event in registry.events
    ]
    rates = [asdict(rate) for rate in registry.rates]
    labels = json.dumps({"ok": True, "events": events, "rates": rates}, separators=(",", ":")).encode()
    files = _DOCUMENTS | {f"{DASHBOARD_PATH}/{name}": name for name in _LOADED}
    return [
        *(_route(path, name, (_FOLDER / name).read_bytes()) for path, name in files.items()),
        _route(f"{DASHBOARD_PATH}/events.json", "events.json", labels),
    ]


def _route(path: str, name: str, content: bytes) -> Route:
    answer = Response(
        content,
        headers=(
            ("Content-Type", _CONTENT_TYPES[Path(name).suffix]),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", _CONTENT_SECURITY_POLICY),
            ("Referrer-Policy", "same-origin"),  # with no-referrer a beacon may lack its Origin, and would be refused
        ),
    )

    async def page(_: Request) -> Response:
        return answer

    return Route("GET", path, "developer_page", page, RouteAccess.PUBLIC)
