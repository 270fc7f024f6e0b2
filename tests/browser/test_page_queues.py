"""An app that counts for two addresses, with two copies of the SDK: what holds for a viewer holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.pages import ACCEPTED, EDITED, SHOWN, SKIPPED, UNDO, be, expect_counts, open_dashboard
from tests.product.deployments import Deployment, embedded

Tab = Callable[[], Page]

# The same gateway by another name: an address of its own for the SDK.
APP = """<!doctype html><title>App</title><script type="module">
import * as sdk from "/developer/telemetry/sdk.js";
import * as other from "/developer/telemetry/sdk.js?another-bundle";
const url = `${location.origin}/api/telemetry/batch`;
window.sdk = sdk;
window.here = sdk.sdTelemetry;
window.there = () => sdk.createTelemetry({ url });
window.other = other.sdTelemetry;
</script>"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with embedded(tmp_path_factory.mktemp("queues"), debug=True) as running:
        yield running


@pytest.fixture
def app(deployment: Deployment, context: BrowserContext) -> str:
    """The address of the app's page."""
    url = f"{deployment.read_url}/app"
    context.route(url, lambda route: route.fulfill(body=APP, content_type="text/html"))
    return url


def open_app(page: Page, app: str) -> Page:
    page.goto(app)  # a module has run when the page has loaded
    return page


def test_after_a_sign_out_no_address_and_no_copy_of_the_sdk_counts_for_the_next_viewer(
    deployment: Deployment, context: BrowserContext, tab: Tab, app: str
) -> None:
    be(context, deployment.read_url, "queues-leaver")
    page = open_app(tab(), app)
    page.evaluate(f"here('{ACCEPTED}', 2); there()('{SHOWN}', 3); other('{EDITED}', 4); sdk.reset()")
    be(context, deployment.read_url, "queues-comer")
    page.evaluate(f"here('{UNDO}'); there()('{UNDO}'); other('{UNDO}')")
    expect_counts(open_dashboard(tab(), deployment.read_url), **{UNDO: 3})
    be(context, deployment.read_url, "queues-leaver")
    expect_counts(open_dashboard(tab(), deployment.read_url), **{ACCEPTED: 2, SHOWN: 3, EDITED: 4})


def test_what_a_last_try_could_not_deliver_is_nobodys(
    deployment: Deployment, context: BrowserContext, tab: Tab, app: str
) -> None:
    be(context, deployment.read_url, "outage-leaver")
    page = open_app(tab(), app)
    page.route("**/api/telemetry/batch", lambda route: route.abort())
    page.evaluate(f"here('{ACCEPTED}'); there()('{SHOWN}'); other('{EDITED}'); sdk.reset()")
    assert page.evaluate("sessionStorage.length") == 0
    page.unroute("**/api/telemetry/batch")
    be(context, deployment.read_url, "outage-comer")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.evaluate(f"here('{UNDO}'); there()('{UNDO}'); other('{UNDO}')")
    page.reload()
    page.evaluate(f"here('{UNDO}'); there()('{UNDO}'); other('{UNDO}')")
    dashboard = open_dashboard(tab(), deployment.read_url)
    expect_counts(dashboard, **{UNDO: 6})
    be(context, deployment.read_url, "outage-leaver")
    expect_counts(open_dashboard(tab(), deployment.read_url))


def test_what_an_earlier_page_stored_for_an_address_is_not_sent_by_one_that_uses_it_after_a_sign_out(
    deployment: Deployment, context: BrowserContext, tab: Tab, app: str
) -> None:
    be(context, deployment.read_url, "stored-leaver")
    page = open_app(tab(), app)
    page.route("**/api/telemetry/batch", lambda route: route.abort())
    with page.expect_request("**/api/telemetry/batch"):
        page.evaluate(f"there()('{SHOWN}')")
    page.reload()
    assert SHOWN in page.evaluate("Object.values(sessionStorage).join()")
    page.unroute("**/api/telemetry/batch")
    page.evaluate("sdk.reset()")
    be(context, deployment.read_url, "stored-comer")
    page.evaluate(f"there()('{UNDO}')")
    expect_counts(open_dashboard(tab(), deployment.read_url), **{UNDO: 1})


def test_disable_is_for_every_address_and_every_copy_of_the_sdk_made_before_or_later(
    deployment: Deployment, context: BrowserContext, tab: Tab, app: str
) -> None:
    be(context, deployment.read_url, "queues-refuser")
    page = open_app(tab(), app)
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.evaluate(f"here('{ACCEPTED}'); other('{ACCEPTED}'); sdk.disable()")
    page.evaluate(f"here('{SKIPPED}'); there()('{SKIPPED}'); other('{SKIPPED}')")
    page.evaluate(
        f"import('/developer/telemetry/sdk.js?a-later-bundle').then((later) => later.sdTelemetry('{SKIPPED}'))"
    )
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()  # which sends what waits; and the next page counts again
    page.evaluate(f"here('{UNDO}')")
    expect_counts(open_dashboard(tab(), deployment.read_url), **{UNDO: 1})
    assert len(posts) == 1


def test_what_a_page_counts_when_it_is_told_that_it_is_hidden_arrives(
    deployment: Deployment, context: BrowserContext, tab: Tab, app: str
) -> None:
    be(context, deployment.read_url, "hider")
    page = open_app(tab(), app)
    page.evaluate(f"document.addEventListener('visibilitychange', () => here('{SHOWN}', 0) ?? here('{SKIPPED}'))")
    page.close(run_before_unload=True)
    expect_counts(open_dashboard(tab(), deployment.read_url), **{SKIPPED: 1})
