"""Takes the README's pictures of the dashboard: python -m tests.browser.picture (or `make picture`).

A real instance with a month of made-up counts, and Chromium.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH
from tests.browser.conftest import ARGUMENTS
from tests.infrastructure.found import find_chromium
from tests.product.deployments import embedded
from tests.product.past_counts import store_history

DOCS = Path(__file__).parents[2] / "docs"
VIEWER = "alice"
DAY_MS = 24 * 3600 * 1000
# what becomes of what is shown, roughly; a little accepting happens elsewhere
LIKELIHOODS = {"suggestion_accepted": 0.55, "suggestion_skipped": 0.25, "suggestion_edited": 0.12}
UNDONE = 0.08  # of what was accepted


def a_month(rng: random.Random, now_ms: int) -> Iterator[Line]:
    """Quiet at first and on weekends, growing: counts of one viewer."""
    for days_ago in range(29, -1, -1):
        at_ms = now_ms - days_ago * DAY_MS - 60_000
        weekday = time.gmtime(at_ms / 1000).tm_wday
        shown = rng.randint(2, 6) if weekday >= 5 else rng.randint(10, 16) + (30 - days_ago) // 2
        yield Line(VIEWER, "suggestion_shown", shown, at_ms)
        for event, likelihood in LIKELIHOODS.items():
            if number := sum(rng.random() < likelihood for _ in range(shown)):
                yield Line(VIEWER, event, number, at_ms)
        if undone := sum(rng.random() < UNDONE for _ in range(shown)):
            yield Line(VIEWER, "suggestion_undo", undone, at_ms)


def take(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> None:
    """One picture: docs/dashboard-SCHEME.png."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1080, "height": 905}, reduced_motion="reduce")
    context.add_cookies([{"name": "sd_viewer", "value": VIEWER, "url": url}])
    page = context.new_page()
    page.goto(f"{url}{DASHBOARD_PATH}#days=30", wait_until="networkidle")
    page.screenshot(path=DOCS / f"dashboard-{scheme}.png")
    context.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store_history(Path(folder) / "data", a_month(random.Random(7), time.time_ns() // 1_000_000))
        with embedded(Path(folder), debug=True) as deployment, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(os.environ), args=ARGUMENTS)
            take(browser, deployment.read_url, "light")
            take(browser, deployment.read_url, "dark")
            browser.close()


if __name__ == "__main__":
    main()
