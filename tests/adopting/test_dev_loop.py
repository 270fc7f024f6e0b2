"""The dev loop of docs/adopting.md: the dev viewer behind Vite's proxy, and without any proxy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH
from tests.adopting.apps import ROOT, port_of, run_commands, served, service
from tests.adopting.pages import console_says, press_open
from tests.adopting.recipes import Recipe
from tests.browser.pages import be
from tests.infrastructure.ports import free_ports
from tests.product.deployments import Deployment

Tab = Callable[[], Page]
LOOP = Recipe("The dev loop")
PLAIN = Recipe("A page behind nginx")
VITE = str(ROOT / "clients/node_modules/vite/bin/vite.js")
WITHOUT_PROXY = "in your page, in development"


@pytest.fixture(scope="module")
def page_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def deployment(page_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """In debug, and knowing the page's origin."""
    with service(LOOP, tmp_path_factory.mktemp("dev_loop"), app=page_port) as running:
        yield running


@pytest.mark.parametrize("status", [200, 403], ids=["as documented", "the target as a string"])
def test_vite_passes_the_path_on(
    status: int, deployment: Deployment, context: BrowserContext, tab: Tab, tmp_path: Path
) -> None:
    folder, service_url = tmp_path / "app", deployment.write_url
    target = f'{{ target: "{service_url}" }}' if status == 200 else f'"{service_url}"'
    LOOP.write(folder, "vite.config.js", **{'{ target: "http://127.0.0.1:8080" }': target})
    PLAIN.write(folder, "index.html")
    run_commands(PLAIN, folder)
    (port,) = free_ports(1)
    command = ["node", VITE, str(folder), "--host", "127.0.0.1", "--port", str(port), "--strictPort"]
    with served(command, folder, port) as url:
        be(context, url, f"vite-{status}")
        page = tab()
        page.goto(url)
        with page.expect_response("**/api/telemetry/batch") as answered:
            press_open(page)
        assert answered.value.status == status


def test_a_page_without_a_proxy_calls_the_other_port(
    page_port: int, deployment: Deployment, context: BrowserContext, tab: Tab, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    module = LOOP.files()[WITHOUT_PROXY].replace(":8080", f":{port_of(deployment.write_url)}")
    PLAIN.write(folder, "index.html", **{'import { sdTelemetry } from "./siddes-telemetry.js";': module})
    run_commands(PLAIN, folder)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(page_port)]
    with served(command, folder, page_port) as url:
        be(context, url, "other-port")
        page = tab()
        page.goto(url)
        press_open(page, 2)
        page = tab()
        page.goto(f"{deployment.read_url}{DASHBOARD_PATH}")
        console_says(page, {"photo_opened": 2})
