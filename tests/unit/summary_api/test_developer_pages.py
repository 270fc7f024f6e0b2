"""The developer pages are complete, load nothing from other origins, and have nothing that their policy forbids."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from siddes_telemetry.schemas.registry_parsing import parse_registry
from siddes_telemetry.summary_api import developer_pages
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH, developer_routes
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess
from tests.unit.schemas.shipped import REGISTRY
from tests.unit.web.handlers import answer

REQUEST = Request(viewer_id="", query="", if_none_match=None, body=b"")
ROUTES = {route.path: route for route in developer_routes(REGISTRY)}
LOADED = re.compile(rb"""(?:src|href)="([^"]+)"|(?:import|from)\s*"([^"]+)"|fetch\(\s*"([^"]+)\"""")


async def served(route: Route) -> tuple[Response, dict[str, str]]:
    response = await answer(route, REQUEST)
    return response, dict(response.headers)


@pytest.mark.parametrize("path", [DASHBOARD_PATH, f"{DASHBOARD_PATH}/", DEMO_PATH])
async def test_a_page_is_html_under_a_strict_policy(path: str) -> None:
    answer, headers = await served(ROUTES[path])
    assert answer.body.lower().startswith(b"<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ROUTES)
async def test_every_file_that_a_page_loads_is_served(path: str) -> None:
    answer, _ = await served(ROUTES[path])
    wanted = {next(filter(None, match)).decode() for match in LOADED.findall(answer.body)}
    links = {url.split("?")[0].split("#")[0] for url in wanted if not url.startswith("#")}
    assert {url for url in links if not url.startswith("/api/")} <= ROUTES.keys()


@pytest.mark.parametrize("path", [DASHBOARD_PATH, DEMO_PATH])
async def test_a_page_has_no_script_and_no_style_of_its_own(path: str) -> None:
    answer, _ = await served(ROUTES[path])
    assert not re.search(rb"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", answer.body, re.IGNORECASE)


def test_every_file_is_public_and_read_only() -> None:
    assert {(route.method, route.access) for route in ROUTES.values()} == {("GET", RouteAccess.PUBLIC)}


def test_other_files_in_the_folder_are_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(Path(developer_pages.__file__).parent / "pages", tmp_path / "pages")
    for stray in ("dashboard.html~", ".demo.html.swp", "README", "old.js"):
        (folder / stray).write_text("stray")
    (folder / ".#demo.js").symlink_to("nowhere")
    (folder / "__pycache__").mkdir()
    monkeypatch.setattr(developer_pages, "_FOLDER", folder)
    assert {route.path for route in developer_routes(REGISTRY)} == ROUTES.keys()


async def test_labels_come_from_the_registry_in_use() -> None:
    own = parse_registry(
        'revision = 1\n[[event]]\nname = "photo_opened"\nid = 1\nmeaning = "It was opened."\n'
        '[[event]]\nname = "shared"\nid = 2\nmeaning = "It was shared."\nlabel = "Sent"\nretired = true\n'
        '[[rate]]\nname = "share_rate"\nnumerator = "shared"\ndenominator = "photo_opened"\n'
    )
    route = next(route for route in developer_routes(own) if route.path == f"{DASHBOARD_PATH}/events.json")
    answer, _ = await served(route)
    assert json.loads(answer.body) == {
        "ok": True,
        "events": [
            {"name": "photo_opened", "label": "Photo opened", "meaning": "It was opened.", "retired": False},
            {"name": "shared", "label": "Sent", "meaning": "It was shared.", "retired": True},
        ],
        "rates": [{"name": "share_rate", "label": "Share rate", "numerator": "shared", "denominator": "photo_opened"}],
    }
