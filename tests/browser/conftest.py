"""A real browser, and pages in it that must not complain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.pages import WAIT_MS

# Quiet and offline: the browser is to talk to the service under test and to nobody else.
ARGUMENTS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

NO_COMPLAINTS = ("Failed to load resource", "siddes-telemetry: ")

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """For the tests of one file: while it is open an event loop runs, and no other test could run its own."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of this test's own: cookies, storage."""
    fresh = browser.new_context()
    fresh.set_default_timeout(WAIT_MS)
    yield fresh
    fresh.close()


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[list[str]]:
    """What pages threw, or wrote to the console as an error, a refused script or style included; at the end there must
    be none. A failed request is the browser's own line and not a page's, and the SDK's debug mode does not complain.
    """
    heard: list[str] = []

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", note)

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(NO_COMPLAINTS):
            heard.append(message.text)

    context.on("page", listen)
    yield heard
    assert heard == []


@pytest.fixture
def tab(context: BrowserContext, complaints: list[str]) -> Callable[[], Page]:
    """Opens a new tab, whose complaints fail the test."""
    return context.new_page
