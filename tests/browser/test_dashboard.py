"""The dashboard says whose counts it shows, shows them right, and stays light however long it is open."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH
from tests.browser.pages import ACCEPTED, EDITED, SHOWN, SKIPPED, be, expect_counts, expect_rows, open_dashboard, press
from tests.product.client import token
from tests.product.deployments import Deployment, embedded
from tests.product.past_counts import store_history

Tab = Callable[[], Page]
AXE = Path(__file__).parents[2] / "clients/node_modules/axe-core/axe.min.js"  # `make clients` installs it
DAY_MS = 24 * 3600 * 1000
OLD = "historian"


@pytest.fixture(scope="module")
def now_ms() -> int:
    """When the earlier days are counted back from."""
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, now_ms: int) -> Iterator[Deployment]:
    """With counts of earlier days: 40 shown and 10 accepted on each of the last 20, a little of the rest yesterday."""
    folder = tmp_path_factory.mktemp("dashboard")
    days = [
        Line(OLD, event, count, now_ms - n * DAY_MS)
        for n in range(20)
        for event, count in ((SHOWN, 40), (ACCEPTED, 10))
    ]
    yesterday = [
        Line(OLD, SKIPPED, 4, now_ms - DAY_MS),
        Line(OLD, EDITED, 2, now_ms - DAY_MS),
        Line("few", SHOWN, 4, now_ms),
    ]
    beyond = [Line("tray", SHOWN, 5, now_ms), Line("tray", ACCEPTED, 8, now_ms)]
    store_history(folder / "data", [*days, *yesterday, *beyond])
    with embedded(folder, debug=True) as running:
        yield running


def test_nobody_is_told_so(deployment: Deployment, tab: Tab) -> None:
    page = open_dashboard(tab(), deployment.read_url)
    expect(page.get_by_role("heading", name="Nobody is signed in")).to_be_visible()
    expect(page.get_by_role("table", name="Counts", exact=True)).to_be_hidden()


def test_the_field_chooses_a_dev_viewer_and_says_that_it_is_one(deployment: Deployment, tab: Tab) -> None:
    page = open_dashboard(tab(), deployment.read_url)
    field = page.get_by_role("textbox", name="Dev viewer")
    field.fill("not a viewer")
    press(page, "Use")
    expect(page.get_by_role("alert")).not_to_be_empty()
    field.fill(OLD)
    field.press("Enter")
    expect(page.get_by_role("heading", name=f"Dev viewer {OLD}")).to_be_visible()
    expect(page.get_by_text("not a signed-in session")).to_be_visible()
    press(page, "Clear")
    expect(page.get_by_role("heading", name="Nobody is signed in")).to_be_visible()


def test_a_session_goes_before_the_dev_viewer(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, OLD)
    context.add_cookies([{"name": "sessionid", "value": token("few"), "url": deployment.read_url}])
    page = open_dashboard(tab(), deployment.read_url)
    expect(page.get_by_role("heading", name="Signed in as few")).to_be_visible()
    expect_counts(page, **{SHOWN: 4})


@pytest.mark.parametrize(
    ("viewer", "said"),
    [
        (OLD, ("25.0%", "70 / 280", "Suggestion accepted / Suggestion shown", "95% interval: 20.3% to 30.4%")),
        ("few", ("0 / 4", "Not enough data")),
        ("tray", ("160.0%", "8 / 5", "No interval")),
    ],
)
def test_a_rate_says_how_sure_it_is(
    deployment: Deployment, context: BrowserContext, tab: Tab, viewer: str, said: tuple[str, ...]
) -> None:
    be(context, deployment.read_url, viewer)
    page = open_dashboard(tab(), deployment.read_url)
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="Accepted", exact=True))
    for words in said:
        expect(card).to_contain_text(words)


def test_the_chart_is_readable_without_seeing_it(
    deployment: Deployment, context: BrowserContext, tab: Tab, now_ms: int
) -> None:
    be(context, deployment.read_url, OLD)
    page = open_dashboard(tab(), deployment.read_url)
    expect(page.get_by_role("img", name=re.compile(r"^Bar chart by day, 8 days: 356 in all"))).to_be_visible()
    page.get_by_text("The same as a table").click()
    days = page.get_by_role("region", name="Counts by day").get_by_role("row")
    expect(days).to_have_count(1 + 8)
    yesterday = datetime.fromtimestamp((now_ms - DAY_MS) / 1000, UTC)
    row = days.filter(has=page.get_by_role("rowheader", name=f"{yesterday:%b} {yesterday.day}", exact=True))
    expect(row.get_by_role("cell")).to_have_text(["40", "10", "4", "2"])


@pytest.mark.parametrize("path", [DASHBOARD_PATH, DEMO_PATH])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_known_barrier(
    deployment: Deployment, context: BrowserContext, tab: Tab, path: str, scheme: Literal["light", "dark"]
) -> None:
    be(context, deployment.read_url, OLD)
    page = tab()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{deployment.read_url}{path}")
    expect_counts(page, **{SHOWN: 7 * 40, ACCEPTED: 7 * 10, SKIPPED: 4, EDITED: 2})
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    assert [(barrier["id"], [node["html"] for node in barrier["nodes"]]) for barrier in found] == []


def test_a_hidden_page_asks_nothing(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, OLD)
    page = tab()
    page.clock.install()
    open_dashboard(page, deployment.read_url)
    expect(page.get_by_role("heading", name=f"Dev viewer {OLD}")).to_be_visible()
    refresh(page, 1)
    hide(page, hidden=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_response("**/api/telemetry/summary**"):
        hide(page, hidden=False)


def test_the_window_is_seven_or_thirty_days(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, OLD)
    page = open_dashboard(tab(), deployment.read_url)
    expect_counts(page, **{SHOWN: 7 * 40, ACCEPTED: 7 * 10, SKIPPED: 4, EDITED: 2})
    page.get_by_role("radio", name="7 days").focus()
    page.keyboard.press("ArrowRight")
    expect_counts(page, **{SHOWN: 20 * 40, ACCEPTED: 20 * 10, SKIPPED: 4, EDITED: 2})
    page.reload()
    expect(page.get_by_role("radio", name="30 days")).to_be_checked()


def test_figures_never_pass_for_those_of_another_window(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, OLD)
    page = open_dashboard(tab(), deployment.read_url)
    periods = page.get_by_text(re.compile("^Last "))
    expect(periods).to_have_text(["Last 7 days"] * 2)
    page.route("**/api/telemetry/summary?days=30", lambda _: None)  # an answer that takes its time
    with page.expect_request("**/api/telemetry/summary?days=30"):
        page.get_by_text("30 days", exact=True).click()
    expect(periods).to_have_text(["Last 7 days, asking for 30"] * 2)
    expect(page.get_by_role("heading", name=f"Dev viewer {OLD}")).to_be_visible()  # at once: nothing was given up on
    expect_counts(page, **{SHOWN: 7 * 40, ACCEPTED: 7 * 10, SKIPPED: 4, EDITED: 2})
    page.unroute("**/api/telemetry/summary?days=30")
    page.get_by_text("7 days", exact=True).click()
    page.get_by_text("30 days", exact=True).click()
    expect(periods).to_have_text(["Last 30 days"] * 2)
    expect_counts(page, **{SHOWN: 20 * 40, ACCEPTED: 20 * 10, SKIPPED: 4, EDITED: 2})


def test_a_rate_limit_is_not_called_an_outage(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, "few")
    page = open_dashboard(tab(), deployment.read_url)
    expect_counts(page, **{SHOWN: 4})
    busy = {"ok": False, "error": "rate_limited"}
    page.route("**/series?**", lambda route: route.fulfill(status=429, json=busy, headers={"Retry-After": "1"}))
    expect(page.get_by_role("heading", name="Too many requests for this viewer")).to_be_visible()
    expect_counts(page, **{SHOWN: 4})
    page.unroute("**/series?**")
    expect(page.get_by_role("heading", name="Dev viewer few")).to_be_visible()


@pytest.mark.parametrize("path", [DASHBOARD_PATH, DEMO_PATH])
def test_the_largest_registry_fits_the_narrowest_page(
    deployment: Deployment, context: BrowserContext, tab: Tab, path: str
) -> None:
    be(context, deployment.read_url, "few")
    page = tab()
    page.set_viewport_size({"width": 320, "height": 800})
    events = [described(f"{n:03}".ljust(64, "n"), "l" * 61 + f"{n:03}", f"<b>{'m' * 393}</b>") for n in range(126)]
    events += [described(SHOWN, "s" * 64, "It was shown.")]
    rates = [{"name": f"rate_{n}", "label": f"{n:02}".ljust(64, "r")} for n in range(64)]
    answer = {
        "ok": True,
        "events": events,
        "rates": [rate | {"numerator": events[0]["name"], "denominator": SHOWN} for rate in rates],
    }
    page.route("**/events.json", lambda route: route.fulfill(json=answer))
    page.goto(f"{deployment.read_url}{path}")
    expect_rows(page, {SHOWN: 4})
    table = page.get_by_role("table", name="Counts", exact=True)
    expect(table.get_by_role("rowheader")).to_have_count(127)
    if path == DASHBOARD_PATH:
        expect(page.get_by_role("article")).to_have_count(64)
        expect(page.get_by_role("button", name="s" * 64, exact=True)).to_be_visible()
        page.get_by_text("The same as a table").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.get_by_role("searchbox", name="Find an event").fill("Suggestion")
    expect(table.get_by_role("rowheader")).to_have_count(1)
    expect_rows(page, {SHOWN: 4})


@pytest.mark.parametrize("path", [DASHBOARD_PATH, DEMO_PATH])
def test_a_retired_event_is_shown_where_it_was_counted(
    deployment: Deployment, context: BrowserContext, tab: Tab, path: str
) -> None:
    be(context, deployment.read_url, "few")
    page = tab()
    events = [described(SHOWN, "Shown", "", retired=True), described(ACCEPTED, "Accepted", "")]
    events += [described(SKIPPED, "Skipped", "", retired=True)]
    page.route("**/events.json", lambda route: route.fulfill(json={"ok": True, "events": events, "rates": []}))
    page.goto(f"{deployment.read_url}{path}")
    rows = page.get_by_role("table", name="Counts", exact=True).get_by_role("rowheader")
    expect(rows).to_have_text([re.compile(f"^Shown {SHOWN} retired"), re.compile(f"^Accepted {ACCEPTED} ")])
    expect(page.get_by_role("button", name="Shown (retired)")).to_have_count(int(path == DASHBOARD_PATH))  # the legend
    expect(page.get_by_role("button", name=re.compile("^Count "))).to_have_count(int(path == DEMO_PATH))
    expect(page.get_by_role("region", name="Tray")).to_be_hidden()  # it would emit an event that is refused


def described(name: str, label: str, meaning: str, *, retired: bool = False) -> dict[str, object]:
    """An event as events.json has it."""
    return {"name": name, "label": label, "meaning": meaning, "retired": retired}


def test_the_file_holds_what_the_page_shows(
    deployment: Deployment, context: BrowserContext, tab: Tab, tmp_path: Path
) -> None:
    be(context, deployment.read_url, OLD)
    page = open_dashboard(tab(), deployment.read_url)
    expect_counts(page, **{SHOWN: 7 * 40, ACCEPTED: 7 * 10, SKIPPED: 4, EDITED: 2})
    with page.expect_download() as saved:
        press(page, "Download CSV")
    assert re.fullmatch(r"siddes-telemetry-7d-\d{4}-\d{2}-\d{2}\.csv", saved.value.suggested_filename)
    saved.value.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert any(SHOWN in row and "280" in row for row in rows)
    assert any(ACCEPTED in row and "70" in row for row in rows)


def test_production_has_no_such_pages(tmp_path: Path, tab: Tab) -> None:
    with embedded(tmp_path) as deployment:
        page = tab()
        for path in (DASHBOARD_PATH, f"{DASHBOARD_PATH}/", DEMO_PATH, f"{DASHBOARD_PATH}/dashboard.js"):
            answer = page.goto(f"{deployment.read_url}{path}")
            assert answer is not None
            assert answer.status == 404
            assert answer.json() == {"ok": False, "error": "not_found"}


def test_a_page_that_is_open_for_long_does_not_grow(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, OLD)
    page = tab()
    page.clock.install()
    open_dashboard(page, deployment.read_url)
    expect(page.get_by_role("heading", name=f"Dev viewer {OLD}")).to_be_visible()
    devtools = context.new_cdp_session(page)
    refresh(page, 10)
    before = weight(devtools)
    refresh(page, 80)
    after = weight(devtools)
    assert after["Nodes"] <= before["Nodes"]
    assert after["JSEventListeners"] <= before["JSEventListeners"]
    assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] * 1.2


def refresh(page: Page, times: int) -> None:
    """Let the page's own beat pass so often, each with its answer."""
    for _ in range(times):
        with page.expect_response("**/api/telemetry/summary**"):
            page.clock.run_for(2_000)


def hide(page: Page, *, hidden: bool) -> None:
    """What the page is told when its tab goes to the back, or comes to the front."""
    state = "hidden" if hidden else "visible"
    page.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange', { bubbles: true })); }",
        state,
    )


def weight(devtools: CDPSession) -> dict[str, float]:
    """What the page holds once its garbage is collected."""
    devtools.send("HeapProfiler.enable")
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    return {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}
