"""What the SDK's debug mode says in a real browser's console: each thing once, and without it nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.pages import ACCEPTED, WAIT_MS, be
from tests.product.deployments import Deployment, embedded

SDK = 'import { sdTelemetry } from "/developer/telemetry/sdk.js"; window.count = sdTelemetry;'
DEBUG = 'import { explain } from "/developer/telemetry/sdk-debug.js"; explain(); explain();'
BATCH = "**/api/telemetry/batch"
PREFIX = "siddes-telemetry: "


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with embedded(tmp_path_factory.mktemp("debug"), debug=True) as running:
        yield running


class App:
    """An app's page, and what the SDK says in its console."""

    def __init__(self, deployment: Deployment, context: BrowserContext, *scripts: str, policy: str = "") -> None:
        self.said: list[str] = []
        self._page: Page = context.new_page()
        self._page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        url = f"{deployment.read_url}/app"
        html = f"<!doctype html><title>App</title><script type=module>{''.join(scripts)}</script>"
        headers = {"content-security-policy": policy} if policy else {}
        self._page.route(url, lambda route: route.fulfill(body=html, content_type="text/html", headers=headers))
        self._page.goto(url)  # a module has run when the page has loaded

    def answer(self, answered: dict[str, Any]) -> None:
        """What batches get from now on, instead of the gateway's answer."""
        self._page.route(BATCH, lambda route: route.fulfill(**answered))

    def send(self, event: str = ACCEPTED) -> None:
        """Fifty calls, which go at once, and their response, dealt with."""
        with self._page.expect_request(BATCH):
            self.call(event, 50)
        self._page.wait_for_function(
            "sessionStorage.getItem('sd_telemetry')?.startsWith('[') !== true", timeout=WAIT_MS
        )

    def call(self, event: str = ACCEPTED, times: int = 1, count: int = 1) -> None:
        self._page.evaluate(f"for (let call = 0; call < {times}; call++) count('{event}', {count})")

    def wait_for_a_line(self) -> None:
        if not self.lines():
            self._page.wait_for_event("console", lambda message: message.text.startswith(PREFIX))

    def lines(self) -> list[str]:
        return [line for line in self.said if PREFIX in line]


PAGE = {"status": 200, "body": "<h1>Welcome</h1>", "content_type": "text/html"}
DISABLED = '{"ok":false,"error":"telemetry_disabled"}'
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("telemetry is switched off (404 telemetry_disabled", {"status": 404, "body": DISABLED}),
    ("nothing takes a POST at this address", {"status": 404, "body": "<h1>404</h1>", "content_type": "text/html"}),
    ("something other than the gateway answers", PAGE),
    ("the address redirects", {"status": 308, "headers": {"location": "/api/telemetry/batch/"}}),
]


def test_without_a_viewer_and_with_an_unknown_event_it_says_what_to_do_and_a_right_call_says_nothing(
    deployment: Deployment, context: BrowserContext
) -> None:
    app = App(deployment, context, SDK, DEBUG)
    for _ in range(2):
        app.send()
    app.wait_for_a_line()
    (line,) = app.lines()
    assert line.startswith(f"warning: {PREFIX}POST /api/telemetry/batch: Nothing counts: nobody is signed in")
    app.said.clear()
    be(context, deployment.read_url, "debugger")
    for event in (ACCEPTED, "sugestion_accepted", "sugestion_accepted"):
        app.send(event)
    app.wait_for_a_line()
    (line,) = app.lines()
    assert line.startswith(f'warning: {PREFIX}"sugestion_accepted" is not counted')


@pytest.mark.parametrize(("words", "answered"), ANSWERS, ids=[words for words, _ in ANSWERS])
def test_an_answer_of_something_else_is_explained_once(
    deployment: Deployment, context: BrowserContext, words: str, answered: dict[str, Any]
) -> None:
    app = App(deployment, context, SDK, DEBUG)
    app.answer(answered)
    app.send()
    app.wait_for_a_line()
    app.call(times=50)  # answered again, or not sent after the kill switch
    (line,) = app.lines()
    assert words in line


def test_a_policy_that_forbids_the_request_is_explained(deployment: Deployment, context: BrowserContext) -> None:
    policy = "default-src 'none'; script-src 'self' 'unsafe-inline'"
    app = App(deployment, context, SDK, DEBUG, policy=policy)
    app.call(times=50)
    app.wait_for_a_line()
    (line,) = app.lines()
    assert "no answer came" in line
    assert "connect-src 'self'" in line


def test_a_count_and_global_privacy_control_are_explained_at_the_call(
    deployment: Deployment, context: BrowserContext
) -> None:
    be(context, deployment.read_url, "private")
    app = App(deployment, context, SDK, DEBUG)
    app.call(times=2, count=51)
    (line,) = app.lines()
    assert "is more than 50" in line
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    app = App(deployment, context, SDK, DEBUG)
    app.call(times=2)
    (line,) = app.lines()
    assert "Global Privacy Control" in line


def test_without_the_debug_mode_the_sdk_says_nothing(deployment: Deployment, context: BrowserContext) -> None:
    app = App(deployment, context, SDK)
    app.call(count=51)
    app.send()
    for _, answered in ANSWERS[::-1]:
        app.answer(answered)
        app.send()
    assert [line for line in app.said if "Failed to load resource" not in line] == []  # the browser's own line
