"""The developer dashboard and the demo page: built from clients/pages, served in debug only."""

from __future__ import annotations

import json
from pathlib import Path

from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web.routing import Access, Request, Response, Route

DASHBOARD_PATH = "/developer/telemetry"
DEMO_PATH = f"{DASHBOARD_PATH}/demo"

_FOLDER = Path(__file__).parent / "pages"
_DOCUMENTS = {DASHBOARD_PATH: "dashboard.html", f"{DASHBOARD_PATH}/": "dashboard.html", DEMO_PATH: "demo.html"}
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
# Nothing but these files and this origin's API; no script or style in the page itself (CSP level 3, Trusted Types).
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def developer_routes(registry: Registry) -> list[Route]:
    """The two pages and what they load. They show nothing by themselves: counts come from the API, to its viewer."""
    files = {path.name: path.read_bytes() for path in _FOLDER.iterdir()}
    events = [{"name": event.name, "part": event.part, "meaning": event.meaning} for event in registry.events]
    files["events.json"] = json.dumps({"ok": True, "events": events}, separators=(",", ":")).encode()
    documents = [_route(path, name, files[name]) for path, name in _DOCUMENTS.items()]
    loaded = [
        _route(f"{DASHBOARD_PATH}/{name}", name, content)
        for name, content in files.items()
        if name not in _DOCUMENTS.values()
    ]
    return documents + loaded


def _route(path: str, name: str, content: bytes) -> Route:
    answer = Response(
        content,
        headers=(
            ("Content-Type", _CONTENT_TYPES[Path(name).suffix]),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", _CONTENT_SECURITY_POLICY),
            ("Referrer-Policy", "no-referrer"),
        ),
    )

    async def page(_: Request) -> Response:
        return answer

    return Route("GET", path, "developer_page", page, Access.PUBLIC)
