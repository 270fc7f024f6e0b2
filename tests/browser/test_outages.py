"""Pages and counts outlive a server that goes away, and obey one that is switched off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import (
    ACCEPTED,
    accept_in_tray,
    be,
    expect_confirmed,
    expect_counts,
    expect_stored,
    open_dashboard,
    open_demo,
)
from tests.product.deployments import Deployment, embedded

Tab = Callable[[], Page]


def restart(deployment: Deployment, **settings: str) -> None:
    """Start the killed process again where it was, and wait until it is ready."""
    port = deployment.processes["up"].url.rsplit(":", 1)[1]
    deployment.settings.update(settings)
    deployment.start("up", "up", "--port", port, "--admin-port", "0", "--debug").wait_ready()


def test_counts_made_while_the_server_is_down_arrive_once(tmp_path: Path, context: BrowserContext, tab: Tab) -> None:
    with embedded(tmp_path, debug=True) as deployment:
        be(context, deployment.read_url, "patient")
        page, dashboard = open_demo(tab(), deployment.read_url), open_dashboard(tab(), deployment.read_url)
        accept_in_tray(page)
        expect_counts(dashboard, **{ACCEPTED: 1})
        deployment.processes["up"].kill()
        accept_in_tray(page, 2)
        expect(dashboard.get_by_role("heading", name="The server is away")).to_be_visible()
        expect_counts(dashboard, **{ACCEPTED: 1})  # the last figures stay, and the page says of when they are
        restart(deployment)
        expect_counts(dashboard, **{ACCEPTED: 3})
        expect(dashboard.get_by_role("heading", name="Dev viewer patient")).to_be_visible()
        expect_confirmed(page)
        expect_counts(page, **{ACCEPTED: 3})


def test_the_kill_switch_silences_the_sdk_for_the_session(tmp_path: Path, context: BrowserContext, tab: Tab) -> None:
    with embedded(tmp_path, debug=True) as deployment:
        be(context, deployment.read_url, "silent")
        page = open_demo(tab(), deployment.read_url)
        deployment.processes["up"].kill()
        restart(deployment, ENABLED="0")
        expect(page.get_by_role("heading", name="Telemetry is switched off")).to_be_visible()
        with page.expect_response("**/api/telemetry/batch") as refused:
            accept_in_tray(page)
        assert refused.value.status == 404
        expect_stored(page, "off")
        posts: list[str] = []
        page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        page.reload()
        accept_in_tray(page, 2)
        deployment.processes["up"].kill()
        restart(deployment, ENABLED="1")
        expect_counts(page)
        page.reload()
        expect_counts(page)
        assert posts == []
