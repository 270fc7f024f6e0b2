"""What somebody does on the pages of the recipes, and what the browser's console then says."""

from __future__ import annotations

import time

from playwright.sync_api import Page

from tests.adopting.recipes import Recipe
from tests.browser.pages import WAIT_MS

CONSOLE = "in the browser's console"


def press_open(page: Page, times: int = 1) -> None:
    for _ in range(times):
        page.get_by_role("button", name="Open", exact=True).click()


def console_says(page: Page, counts: dict[str, int]) -> None:
    """Wait until the page's line for the console answers with exactly these counts."""
    expression = Recipe("Your events").files()[CONSOLE].removeprefix("await ").rstrip().rstrip(";")
    deadline = time.monotonic() + WAIT_MS / 1000
    while (said := page.evaluate(f"async () => await {expression}")) != {"ok": True, "days": 1, "counts": counts}:
        assert time.monotonic() < deadline, said
        page.wait_for_timeout(100)
