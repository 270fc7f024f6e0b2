"""The recipes for Next.js: a production build, whoever it is that signs people in, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.adopting.apps import SCAFFOLD, django, served, service
from tests.adopting.next_apps import BUILD_S, NEXTAUTH, NextApp, next_app
from tests.adopting.pages import console_says, press_open
from tests.adopting.recipes import Recipe
from tests.infrastructure.ports import free_ports

Tab = Callable[[], Page]
DJANGO = Recipe("Django sessions")
pytestmark = pytest.mark.timeout(BUILD_S + 120)  # the first of the tests builds


@pytest.fixture(scope="module")
def built(next_packages: Path) -> Iterator[NextApp]:
    with next_app(next_packages) as app:
        app.build()
        yield app


def test_pages_of_next_count_for_djangos_users(built: NextApp, tab: Tab, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(SCAFFOLD, folder)
    DJANGO.write(folder, "photos/urls.py")
    api, front = free_ports(2)
    with (
        served(django(api), folder, api) as backend,
        service(DJANGO, folder, app=api) as deployment,
        built.started(folder, front, {"TELEMETRY_URL": deployment.write_url}) as url,
    ):
        page = tab()
        page.goto(f"{backend}/sign-in/alice")  # the same host: cookies do not care about ports
        page.goto(url)
        press_open(page, 2)
        console_says(page, {"photo_opened": 2})


def test_pages_of_next_count_for_users_of_nextauth(built: NextApp, tab: Tab, tmp_path: Path) -> None:
    service_port, front = free_ports(2)
    url = f"http://127.0.0.1:{front}"
    variables = {
        "TELEMETRY_URL": f"http://127.0.0.1:{service_port}",
        "NEXTAUTH_URL": url,
        "NEXTAUTH_SECRET": "only-for-tests",
    }
    with (
        built.started(tmp_path, front, variables | NEXTAUTH.variables("environment of Next.js")),
        service(NEXTAUTH, tmp_path, app=front, port=service_port),
    ):
        page = tab()
        page.goto(f"{url}/api/auth/signin")
        page.get_by_label("name").fill("alice")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(url)
        press_open(page)
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{url}/signed-out")
        page.goto(url)
        console_says(page, {"photo_opened": 1})
