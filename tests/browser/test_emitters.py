"""Every emitter of the demo counts what it should, through the built SDK, down to the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from siddes_telemetry.summary_api.developer_pages import DEMO_PATH
from tests.browser.pages import (
    ACCEPTED,
    EDITED,
    SHOWN,
    SKIPPED,
    UNDO,
    accept_in_tray,
    be,
    expect_confirmed,
    expect_counts,
    open_dashboard,
    open_demo,
    press,
)
from tests.product.deployments import Deployment, embedded

Tab = Callable[[], Page]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with embedded(tmp_path_factory.mktemp("demo"), debug=True) as running:
        yield running


def test_the_review_sheet_counts_what_is_shown_accepted_skipped_and_edited(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, "sheet")
    page = open_demo(tab(), deployment.read_url)
    press(page, "Review suggestions")
    press(page, "Remove Member 1 from Group A")
    press(page, "Remove Member 2 from Group A")  # an edit of the same suggestion: no second count
    page.get_by_role("textbox", name="Name of Group B").fill("Friends")
    page.get_by_role("textbox", name="Name of Group B").press("Tab")
    press(page, "Accept Friends")
    press(page, "Skip Group A")
    press(page, "Accept all")
    press(page, "Done")
    press(page, "Review suggestions")
    press(page, "Skip all")
    expected = {SHOWN: 8, ACCEPTED: 3, SKIPPED: 5, EDITED: 2}
    expect_counts(page, **expected)
    expect_counts(open_dashboard(tab(), deployment.read_url), **expected)


def test_the_tray_and_the_onboarding_page_count_what_they_restore(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, "tray")
    page = open_demo(tab(), deployment.read_url)
    accept_in_tray(page)
    press(page, "Skip Group F")
    press(page, "Undo last decision")
    press(page, "Apply all groups")
    press(page, "Undo all groups")
    expected = {ACCEPTED: 1, SKIPPED: 1, UNDO: 1 + 6}
    expect_counts(page, **expected)
    expect_counts(open_dashboard(tab(), deployment.read_url), **expected)


def test_counts_queued_when_a_tab_closes_arrive(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, "closer")
    page = open_demo(tab(), deployment.read_url)
    press(page, "Review suggestions")
    page.close(run_before_unload=True)  # as the cross of a tab does: the page hears that it goes
    expect_counts(open_dashboard(tab(), deployment.read_url), **{SHOWN: 4})


def test_counts_survive_a_reload_and_are_not_counted_again(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, "reloader")
    page = open_demo(tab(), deployment.read_url)
    for _ in range(3):
        accept_in_tray(page)
        page.reload()
    expect(page.get_by_role("button", name="Apply all groups")).to_be_visible()
    expect_counts(page, **{ACCEPTED: 3})
    expect_confirmed(page)
    expect_counts(page, **{ACCEPTED: 3})


def test_a_duplicated_tab_counts_nothing_twice(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, "doubler")
    page = open_demo(tab(), deployment.read_url)
    page.route("**/api/telemetry/batch", lambda route: route.abort())  # sent, and never confirmed
    with page.expect_request("**/api/telemetry/batch"):
        accept_in_tray(page, 2)
    with context.expect_page() as opened:
        page.evaluate("window.open(location.href)")  # with a copy of the session's storage, as "duplicate tab" does
    page.unroute("**/api/telemetry/batch")
    for each in (page, opened.value):
        expect_confirmed(each)
    expect_counts(page, **{ACCEPTED: 2})


def test_signing_out_leaves_nothing_for_the_next_viewer(
    deployment: Deployment, context: BrowserContext, tab: Tab
) -> None:
    be(context, deployment.read_url, "leaver")
    page = open_demo(tab(), deployment.read_url)
    accept_in_tray(page, 2)
    press(page, "Sign out")
    expect(page.get_by_role("heading", name="Nobody is signed in")).to_be_visible()
    page.get_by_role("textbox", name="Dev viewer").fill("comer")
    press(page, "Use")
    press(page, "Undo last decision")
    expect_counts(page, **{UNDO: 1})
    page.get_by_role("textbox", name="Dev viewer").fill("leaver")
    press(page, "Use")
    expect_counts(page, **{ACCEPTED: 2})


def test_what_nobody_does_is_not_counted_and_the_page_says_so(deployment: Deployment, tab: Tab) -> None:
    page = tab()
    page.goto(f"{deployment.read_url}{DEMO_PATH}")
    expect(page.get_by_text("Nothing is counted until you choose a dev viewer")).to_be_visible()
    expect(page.get_by_role("region", name="Counts")).to_contain_text("Nobody is signed in.")
    accept_in_tray(page, 2)
    page.get_by_role("textbox", name="Dev viewer").fill("newcomer")
    press(page, "Use")
    press(page, "Undo last decision")
    expect_counts(page, **{UNDO: 1})


def test_global_privacy_control_is_honoured(deployment: Deployment, context: BrowserContext, tab: Tab) -> None:
    be(context, deployment.read_url, "private")
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    page = tab()
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    open_demo(page, deployment.read_url)
    expect(page.get_by_text("This browser sends Global Privacy Control")).to_be_visible()
    accept_in_tray(page, 2)
    page.reload()
    expect_counts(page)
    assert posts == []
    assert page.evaluate("sessionStorage.length") == 0
