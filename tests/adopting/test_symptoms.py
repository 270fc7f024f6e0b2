"""The table of docs/adopting.md about what counts nothing: the service answers so, and its operator sees it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.auth.refusals import Refusal
from tests.adopting.recipes import PAGE
from tests.infrastructure.ports import free_ports
from tests.product.client import eventually, token
from tests.product.deployments import Deployment, embedded
from tests.product.runbook import PAGE as RUNBOOK

BATCH = "/api/telemetry/batch"
OURS = {"iss": "photos", "aud": "telemetry"}
ANSWERS = {"alice": {"viewer_id": "alice"}, "nobody": {}, "wrong-field": {"user": "alice"}}
CASES = {
    "no cookie": ({}, 401, 'siddes_auth_refusals_total{reason="no_credentials"}'),
    "a cookie of another name": ({"Cookie": "other=alice"}, 401, 'siddes_auth_refusals_total{reason="no_credentials"}'),
    "signed out": ({"Cookie": "sessionid=nobody"}, 401, 'siddes_auth_refusals_total{reason="session"}'),
    "AUTH_FIELD is wrong": ({"Cookie": "sessionid=wrong-field"}, 401, 'siddes_auth_refusals_total{reason="session"}'),
    "another issuer": (OURS | {"iss": "other"}, 401, 'siddes_auth_refusals_total{reason="issuer"}'),
    "another audience": (OURS | {"aud": "other"}, 401, 'siddes_auth_refusals_total{reason="audience"}'),
    "an e-mail address": (OURS | {"sub": "a@b.example"}, 401, 'siddes_auth_refusals_total{reason="subject_form"}'),
    "another Origin": (
        {"Cookie": "sessionid=alice", "Origin": "https://elsewhere.example"},
        403,
        'siddes_http_errors_total{code="forbidden_origin"}',
    ),
    "the app fails": (
        {"Cookie": "sessionid=unheard-of"},
        503,
        'siddes_auth_introspection_failures_total{reason="status"}',
    ),
    "an unknown event": ({"Cookie": "sessionid=alice"}, 200, 'siddes_events_rejected_total{error="invalid_event"}'),
}


@pytest.fixture(scope="module")
def app_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def deployment(app_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, url = tmp_path_factory.mktemp("symptoms"), f"http://127.0.0.1:{app_port}/whoami"
    with embedded(folder, AUTH_URL=url, JWT_ISSUER=OURS["iss"], JWT_AUDIENCE=OURS["aud"]) as running:
        yield running


@pytest.fixture
async def browser(app_port: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a memory for cookies, while the app that AUTH_URL names runs."""

    async def who_am_i(request: web.Request) -> web.Response:
        known = ANSWERS.get(request.cookies["sessionid"])
        return web.json_response(known) if known is not None else web.Response(status=500)

    app = web.Application()
    app.router.add_get("/whoami", who_am_i)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", app_port).start()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield session
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("case", CASES)
async def test_the_answer_and_the_metric_are_those_of_the_page(
    case: str, deployment: Deployment, browser: aiohttp.ClientSession
) -> None:
    given, status, series = CASES[case]
    claims = {"sub": "alice", **given} if "iss" in given else None
    headers = given if claims is None else {"Authorization": f"Bearer {token(claims.pop('sub'), **claims)}"}
    body = {"batch_id": str(uuid4()), "events": [{"event": "photo_opened", "count": 1}]}
    admin = f"{deployment.processes['up'].admin}/metrics"
    before = await value(browser, admin, series)
    async with browser.post(deployment.write_url + BATCH, json=body, headers=headers) as answer:
        assert answer.status == status
        said = await answer.json()
    if status == 200:
        assert (said["accepted"], len(said["rejected"])) == (0, 1)
    else:
        assert said["error"] in words_of_the_table()

    async def grew() -> bool:
        return await value(browser, admin, series) == before + 1

    await eventually(grew, lambda: f"{series} did not grow by one")
    assert series.partition("{")[0] in words_of_the_table()


async def value(browser: aiohttp.ClientSession, admin: str, series: str) -> float:
    async with browser.get(admin) as answer:
        lines = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#"))
    return float(lines[series])


def test_every_word_of_the_table_exists() -> None:
    codes = {code.name for code in ErrorCode} | {reason.name for reason in Refusal}
    runbook = set(re.findall(r"`([a-z_]+)", RUNBOOK.read_text()))
    assert words_of_the_table() - codes - runbook == set()


def words_of_the_table() -> set[str]:
    """Codes, reasons, metrics and log events that the section names."""
    _, there, section = PAGE.read_text().partition("\n## It counts nothing\n")
    assert there
    found = re.findall(r"`([a-z_]+)(?:\{\w+\})?`", section)
    return {word for word in found if "_" in word or word in ErrorCode.__members__ or word in Refusal.__members__}
