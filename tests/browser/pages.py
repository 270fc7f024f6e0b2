"""The two developer pages, as somebody at the keyboard finds them: by role and name."""

from __future__ import annotations

import time
from collections.abc import Mapping

from playwright.sync_api import BrowserContext, Page, expect

from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH

WAIT_MS = 30_000  # for what another process does, on however busy a machine
SHOWN, ACCEPTED, SKIPPED = "suggestion_shown", "suggestion_accepted", "suggestion_skipped"
EDITED, UNDO = "suggestion_edited", "suggestion_undo"
EVENTS = (SHOWN, ACCEPTED, SKIPPED, EDITED, UNDO, "embeddings_opt_in", "embeddings_opt_out")


def be(context: BrowserContext, url: str, viewer: str) -> None:
    """This profile's dev viewer."""
    context.add_cookies([{"name": "sd_viewer", "value": viewer, "url": url}])


def open_demo(page: Page, url: str) -> Page:
    """The demo, ready to be used."""
    page.goto(f"{url}{DEMO_PATH}")
    expect(page.get_by_role("heading", name="Dev viewer", exact=False)).to_be_visible()
    return page


def open_dashboard(page: Page, url: str, days: int = 7) -> Page:
    page.goto(f"{url}{DASHBOARD_PATH}#days={days}")
    return page


def expect_counts(page: Page, **counts: int) -> None:
    """Wait until the page's table of counts says exactly this of the shipped events; one that is left out is 0."""
    expect_rows(page, dict.fromkeys(EVENTS, 0) | counts)


def expect_rows(page: Page, counts: Mapping[str, int]) -> None:
    """Wait until the page's table of counts says this of these events."""
    table = page.get_by_role("table", name="Counts", exact=True)
    for event, count in counts.items():
        row = table.get_by_role("row").filter(has=page.get_by_text(event, exact=True))
        expect(row.get_by_role("cell").last).to_have_text(str(count))


def expect_confirmed(page: Page) -> None:
    """Wait until the SDK keeps nothing more to be sent again."""
    expect_stored(page, None)


def expect_stored(page: Page, text: str | None) -> None:
    """Wait until the SDK keeps exactly this: no event says so, and the page's policy forbids a poll inside it."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while page.evaluate("sessionStorage.getItem('sd_telemetry')") != text:
        assert time.monotonic() < deadline, "the SDK's storage did not become what it should"
        page.wait_for_timeout(50)


def press(page: Page, name: str) -> None:
    """Click the button of this very name."""
    page.get_by_role("button", name=name, exact=True).click()


def accept_in_tray(page: Page, times: int = 1) -> None:
    """What the tray does with one click each."""
    for _ in range(times):
        page.get_by_role("list", name="Waiting in the tray").get_by_role("button", name="Accept").first.click()
