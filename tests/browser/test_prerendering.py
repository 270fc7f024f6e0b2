"""Speculation rules: Chromium prerenders the next page of an app, which may never be seen.

A browser that is driven through DevTools prerenders nothing (PrerenderingDisabledByDevTools). So this one is left
alone: its pages ask the app's server what to do, and tell it what they see.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import ACCEPTED, SHOWN, UNDO
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, embedded

LONGER_THAN_A_BATCH_WAITS_MS = 2500
LEFT = f"""<!doctype html><title>First</title>
<script type="speculationrules">{{"prerender": [{{"urls": ["/next"]}}]}}</script>
<script type="module">
import {{ sdTelemetry }} from "/developer/telemetry/sdk.js";
sdTelemetry("{ACCEPTED}");
location.href = await (await fetch("/whither")).text();
</script>"""
NEXT = f"""<!doctype html><title>Next</title>
<script type="module">
import {{ sdTelemetry }} from "/developer/telemetry/sdk.js";
const say = (when) => fetch("/said", {{ method: "POST", body: JSON.stringify({{
  when, prerendering: document.prerendering, stored: Object.values(sessionStorage).join(),
}}) }});
sdTelemetry("{SHOWN}", 3);
document.addEventListener("prerenderingchange", () => say("shown"));
setTimeout(() => say("waited"), {LONGER_THAN_A_BATCH_WAITS_MS});
</script>"""
ELSEWHERE = f"""<!doctype html><title>Elsewhere</title>
<script type="module">
import {{ sdTelemetry }} from "/developer/telemetry/sdk.js";
sdTelemetry("{UNDO}");
</script>"""
PAGES = {"/first": LEFT, "/next": NEXT, "/elsewhere": ELSEWHERE}


class App:
    """An app's server: its pages, and a reverse proxy to the gateway, which is away as long as `away` is set."""

    def __init__(self, gateway: str, viewer: str) -> None:
        self.away = True
        self.whither: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.said: dict[str, dict[str, Any]] = {}
        self.batches: list[dict[str, Any]] = []
        self._gateway = gateway
        self._cookie = f"sd_viewer={viewer}"
        self._answers = {"/whither": self._say_whither, "/said": self._listen}
        server = web.Application()
        server.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(server)

    def events(self) -> list[str]:
        """What came, in the order in which it came."""
        return [entry["event"] for batch in self.batches for entry in batch["events"]]

    async def _answer(self, request: web.Request) -> web.Response:
        if (page := PAGES.get(request.path)) is not None:
            return web.Response(text=page, content_type="text/html")
        return await self._answers.get(request.path, self._forward)(request)

    async def _say_whither(self, _: web.Request) -> web.Response:
        return web.Response(text=await self.whither)

    async def _listen(self, request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        self.said[said["when"]] = said
        return web.Response()

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.method == "POST":
            self.batches.append(json.loads(body))
            if self.away:
                return web.Response(status=503)
        headers = {"Content-Type": request.content_type, "Cookie": self._cookie}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, self._gateway + request.path, data=body, headers=headers) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


@pytest.fixture
def deployment(tmp_path: Path) -> Any:
    with embedded(tmp_path, debug=True) as running:
        yield running


@asynccontextmanager
async def prerendered(chromium: Path, deployment: Deployment, viewer: str) -> AsyncIterator[App]:
    """An app in a browser that shows its first page and has prerendered the next."""
    app = App(deployment.write_url, viewer)
    await app.server.start_server()
    profile = f"--user-data-dir={deployment.folder / 'profile'}"
    browser = await asyncio.create_subprocess_exec(
        chromium,
        *ARGUMENTS,
        "--headless=new",
        profile,
        str(app.server.make_url("/first")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await said(app, "waited")
        assert app.said["waited"]["prerendering"], "this Chromium does not prerender"
        yield app
    finally:
        browser.terminate()
        await browser.wait()
        await app.server.close()


async def said(app: App, when: str) -> None:
    async def heard() -> bool:
        return when in app.said

    await eventually(heard, lambda: f"no page said {when}")


async def test_a_prerendered_page_sends_what_it_counted_when_it_is_shown(
    chromium: Path, deployment: Deployment
) -> None:
    async with prerendered(chromium, deployment, "looker") as app:
        assert set(app.events()) == {ACCEPTED}  # the first page's own, which the app's server does not get through
        assert SHOWN not in app.said["waited"]["stored"]
        app.away = False
        app.whither.set_result("/next")
        await said(app, "shown")
        async with aiohttp.ClientSession() as session:
            await Client(session, deployment).counts_become("looker", {ACCEPTED: 1, SHOWN: 3})
    ids = {entry["event"]: batch["batch_id"] for batch in app.batches for entry in batch["events"]}
    assert {batch["batch_id"] for batch in app.batches} == set(ids.values())  # the first page's, under its id


async def test_a_prerendered_page_that_is_never_shown_counts_nothing(chromium: Path, deployment: Deployment) -> None:
    async with prerendered(chromium, deployment, "passer") as app:
        app.away = False
        app.whither.set_result("/elsewhere")
        async with aiohttp.ClientSession() as session:
            await Client(session, deployment).counts_become("passer", {ACCEPTED: 1, UNDO: 1})
    assert "shown" not in app.said
    assert SHOWN not in app.events()
