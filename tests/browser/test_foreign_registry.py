"""The pages of an app with events of its own: they count these, and speak of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH
from tests.browser.pages import be, expect_rows, open_dashboard, open_demo, press
from tests.product.deployments import Deployment, embedded

Tab = Callable[[], Page]
OPENED, EXPORTED, APPLIED, UNDONE = EVENTS = ("photo_opened", "photo_exported", "filter_applied", "filter_undone")
REGISTRY = """
revision = 1

[[event]]
name = "photo_opened"
id = 1
meaning = "A photo was opened."
label = "Photos opened"

[[event]]
name = "photo_exported"
id = 2
meaning = "A photo was written to a file."
label = "Photos exported"

[[event]]
name = "filter_applied"
id = 3
meaning = "A filter was applied."

[[event]]
name = "filter_undone"
id = 4
meaning = "A filter was taken back."

[[rate]]
name = "export_rate"
label = "Exported"
numerator = "photo_exported"
denominator = "photo_opened"
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "events.toml").write_text(REGISTRY)
    with embedded(folder, debug=True, EVENTS=str(folder / "events.toml")) as running:
        yield running


def test_the_demo_counts_each_event_by_mouse_and_by_keyboard(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, "photographer")
    page = open_demo(tab(), deployment.read_url)
    press(page, "More of Photos opened")
    press(page, "More of Photos opened")
    press(page, "Less of Photos opened")
    for _ in range(3):
        press(page, "Count Photos opened")
    stepper = page.get_by_role("spinbutton", name="How many of Photos exported")
    stepper.press("ArrowUp")
    stepper.press("Enter")
    stepper.fill("1000")  # more than one call may say
    page.get_by_role("spinbutton", name="How many of Filter applied").fill("")
    press(page, "Count Photos exported")
    press(page, "Count Filter applied")
    expected = {OPENED: 6, EXPORTED: 52, APPLIED: 1, UNDONE: 0}
    expect_rows(page, expected)
    expect(stepper).to_have_value("50")
    expect(page.get_by_role("list", name="Emitted by this page").get_by_role("listitem")).to_have_text(
        ["filter_applied 1", "photo_exported 50", "photo_exported 2", *["photo_opened 2"] * 3]
    )
    expect_rows(open_dashboard(tab(), deployment.read_url), expected)


def test_rates_are_those_of_the_registry(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, "exporter")
    page = open_demo(tab(), deployment.read_url)
    page.get_by_role("spinbutton", name="How many of Photos opened").fill("10")
    press(page, "Count Photos opened")
    page.get_by_role("spinbutton", name="How many of Photos exported").fill("4")
    press(page, "Count Photos exported")
    expect_rows(page, {OPENED: 10, EXPORTED: 4})
    cards = open_dashboard(page, deployment.read_url).get_by_role("article")
    expect(cards).to_have_count(1)
    expect(cards.get_by_role("heading")).to_have_text("Exported")
    for words in ("40.0%", "4 / 10", "Photos exported / Photos opened"):
        expect(cards).to_contain_text(words)


@pytest.mark.parametrize("path", [DASHBOARD_PATH, DEMO_PATH])
def test_a_page_has_no_word_about_the_shipped_events(
    deployment: Deployment, context: BrowserContext, tab: Tab, path: str
) -> None:
    be(context, deployment.read_url, "reader")
    page = tab()
    page.goto(f"{deployment.read_url}{path}")
    expect_rows(page, dict.fromkeys(EVENTS, 0))
    read = f"{page.title()} {page.locator('body').aria_snapshot()}".lower()
    assert "photos opened" in read
    assert [word for word in ("suggest", "review", "tray", "onboarding", "shown") if word in read] == []
