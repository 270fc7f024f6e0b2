"""The recipes for Django, for FastAPI and for plain pages: real servers, real nginx, a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.adopting.apps import (
    HERE,
    SCAFFOLD,
    behind_nginx,
    django,
    fastapi,
    port_of,
    run_commands,
    served,
    service,
)
from tests.adopting.pages import console_says, press_open
from tests.adopting.recipes import Recipe
from tests.infrastructure.ports import free_ports
from tests.product.process import run

Tab = Callable[[], Page]
DJANGO = Recipe("Django sessions")
DJANGO_TEMPLATES = Recipe("Django templates, without Node")
PLAIN = Recipe("A page behind nginx")
SECRET = "SIDDES_TELEMETRY_JWT_SECRET"


def test_django_templates_count_without_node(nginx: Path, tab: Tab, tmp_path: Path) -> None:
    recipe, folder = DJANGO_TEMPLATES, tmp_path / "app"
    shutil.copytree(SCAFFOLD, folder)
    DJANGO.write(folder, "photos/urls.py")
    recipe.write(folder, "photos/templates/photo.html")
    run_commands(recipe, folder)
    (folder / "static").symlink_to(folder / "photos/static")  # what collectstatic does
    app, front = free_ports(2)
    with (
        served(django(app), folder, app),
        service(DJANGO, folder, app=app) as deployment,
        behind_nginx(nginx, recipe, folder, front, {":8000": app, ":8080": port_of(deployment.write_url)}) as url,
    ):
        page = tab()
        page.goto(f"{url}/sign-in/alice")
        page.goto(f"{url}/photo")
        press_open(page, 2)
        console_says(page, {"photo_opened": 2})
        press_open(page)
        page.get_by_role("link", name="Sign out").click()  # at once: what waits is sent first
        page.wait_for_url(f"{url}/sign-out")
        page.goto(f"{url}/sign-in/bob")
        console_says(page, {})
        page.goto(f"{url}/sign-in/alice")
        console_says(page, {"photo_opened": 3})


def test_a_plain_page_counts(nginx: Path, tab: Tab, tmp_path: Path) -> None:
    recipe, folder = PLAIN, tmp_path / "app"
    recipe.write(folder, "index.html")
    run_commands(recipe, folder)
    (front,) = free_ports(1)
    cookie = recipe.environment()["SIDDES_TELEMETRY_SESSION_COOKIE"]
    with (
        service(recipe, folder) as deployment,
        behind_nginx(nginx, recipe, folder, front, {":8080": port_of(deployment.write_url)}) as url,
    ):
        page = tab()
        page.goto(url)
        minted = run("token", "--viewer", "alice", settings=deployment.settings).stdout.strip()
        page.evaluate(f"document.cookie = '{cookie}={minted}'")
        press_open(page, 3)
        console_says(page, {"photo_opened": 3})


def test_fastapi_counts_on_the_server_for_the_viewer_of_the_page(nginx: Path, tab: Tab, tmp_path: Path) -> None:
    recipe, folder = Recipe("FastAPI"), tmp_path / "app"
    recipe.write(folder, "app.py")
    shutil.copy(HERE / "fastapi_main.py", folder)
    PLAIN.write(folder, "index.html")
    run_commands(PLAIN, folder)
    app, front, port = free_ports(3)
    variables = {
        "TELEMETRY_URL": f"http://127.0.0.1:{port}",
        "SESSION_SECRET": "only-for-tests",
        SECRET: recipe.environment()[SECRET],
    }
    with (
        served(fastapi(app), folder, app, variables),
        service(recipe, folder, app=app, port=port),
        behind_nginx(nginx, DJANGO_TEMPLATES, folder, front, {":8000": app, ":8080": port}) as url,
    ):
        page = tab()
        page.goto(f"{url}/sign-in/alice")
        page.goto(f"{url}/page")
        press_open(page)
        page.evaluate("fetch('/export', { method: 'POST' })")
        console_says(page, {"photo_opened": 1, "photo_exported": 1})
