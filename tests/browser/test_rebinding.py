"""A page of another site whose name has come to mean this machine (DNS rebinding), in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.product.deployments import Deployment, embedded

NAME = "rebound.example"
FETCH = """async ([path, options]) => {
    const answer = await fetch(path, options);
    return [answer.status, await answer.text()];
}"""
REFUSED = [403, '{"ok":false,"error":"forbidden_origin"}']
COUNT = {
    "method": "POST",
    "headers": {"x-sd-viewer": "alice", "content-type": "application/json"},
    "body": '{"event":"suggestion_accepted"}',
}
READ = {"headers": {"x-sd-viewer": "alice"}}


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """For it NAME means this machine."""
    arguments = [
        *ARGUMENTS,
        f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
        "--disable-features=LocalNetworkAccessChecks",  # as where a browser has no such guard, or was told to allow it
    ]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with embedded(tmp_path, debug=True) as running:
        yield running


def page_of(context: BrowserContext, host: str, url: str) -> Page:
    """A page of this host at the service's port, as it came from the host's own server before its name changed."""
    address = f"http://{host}:{urlsplit(url).port}/page"

    def serve(route: Route) -> None:
        route.fulfill(body="<!doctype html><title>page</title>", content_type="text/html")

    page = context.new_page()
    page.route(address, serve)
    page.goto(address)
    return page


def test_it_neither_counts_nor_reads(context: BrowserContext, deployment: Deployment) -> None:
    page = page_of(context, NAME, deployment.write_url)
    for path, options in (("/api/telemetry", COUNT), ("/api/telemetry", READ), ("/openapi.json", {})):
        assert page.evaluate(FETCH, [path, options]) == REFUSED
    page = page_of(context, NAME, deployment.processes["up"].admin)
    for path in ("/metrics", "/readyz"):
        assert page.evaluate(FETCH, [path, {}]) == REFUSED


def test_a_page_of_this_machine_does(context: BrowserContext, deployment: Deployment) -> None:
    for host in ("localhost", "127.0.0.1"):
        page = page_of(context, host, deployment.write_url)
        assert page.evaluate(FETCH, ["/api/telemetry", COUNT]) == [200, '{"ok":true}']
        status, _ = page.evaluate(FETCH, ["/api/telemetry", READ])
        assert status == 200
