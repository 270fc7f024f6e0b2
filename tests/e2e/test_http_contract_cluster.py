"""The HTTP contract where it is divided: the gateway has the POSTs, the summary the GETs, both say who one is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import clickhouse_connect
import pytest

from siddes_telemetry.schemas.viewer import pseudonym
from tests.e2e.http_requests import ALIAS, BATCH, INGEST, ME, SERIES, SUMMARY, ApiClient
from tests.infrastructure.databases import own_database
from tests.product.client import Client, bearer
from tests.product.deployments import Deployment, cluster

VIEWER_KEY = "only-for-tests-a-key-of-pseudonyms"
NO_EVENTS = b'{"batch_id":"0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11","events":[]}'
SHOWN = {"event": "suggestion_shown"}


@pytest.fixture(scope="module")
def deployment(
    kafka_bootstrap: str, clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A cluster with pseudonyms, and two gateways."""
    folder = tmp_path_factory.mktemp("cluster")
    with (
        own_database(clickhouse_url) as database,
        cluster(kafka_bootstrap, database, folder, gateways=2, VIEWER_KEY=VIEWER_KEY) as running,
    ):
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def gateway(session: aiohttp.ClientSession, deployment: Deployment) -> ApiClient:
    return ApiClient(session, deployment.write_url)


@pytest.fixture
def summary(session: aiohttp.ClientSession, deployment: Deployment) -> ApiClient:
    return ApiClient(session, deployment.read_url)


async def test_each_service_answers_what_is_its_own(gateway: ApiClient, summary: ApiClient) -> None:
    shown = json.dumps(SHOWN).encode()
    for method, target, body, at_gateway, at_summary in (
        ("POST", INGEST, shown, "ok", "not_found"),
        ("POST", ALIAS, shown, "ok", "method_not_allowed"),
        ("POST", BATCH, NO_EVENTS, "ok", "not_found"),
        ("GET", SUMMARY, None, "not_found", "ok"),
        ("GET", SERIES, None, "not_found", "ok"),
        ("GET", ALIAS, None, "method_not_allowed", "ok"),
        ("GET", ME, None, "ok", "ok"),
        ("GET", "/openapi.json", None, "ok", "ok"),
        ("GET", "/developer/telemetry", None, "not_found", "not_found"),
        ("GET", "/healthz", None, "not_found", "not_found"),
    ):
        assert (await gateway.ask(method, target, bearer("alice"), body)).code == at_gateway
        assert (await summary.ask(method, target, bearer("alice"), body)).code == at_summary


async def test_each_service_describes_its_own_paths(gateway: ApiClient, summary: ApiClient) -> None:
    both = {ME, "/openapi.json"}
    assert set((await gateway.get("/openapi.json")).json["paths"]) == {INGEST, ALIAS, BATCH} | both
    assert set((await summary.get("/openapi.json")).json["paths"]) == {SUMMARY, ALIAS, SERIES} | both


async def test_a_pseudonym_is_the_same_in_both_services_and_the_store_has_nothing_else(
    gateway: ApiClient, summary: ApiClient, session: aiohttp.ClientSession, deployment: Deployment
) -> None:
    client = Client(session, deployment)
    hidden = ""
    for viewer in ("hidden@mail.example", "CORP\\anna", "s\u00f8ren", " \0\n", "\U0001f600" * 255):  # no ids of ours
        hidden = pseudonym(viewer, VIEWER_KEY.encode())
        for service in (gateway, summary):
            assert (await service.get(ME, viewer)).json == {"ok": True, "viewer_id": hidden}
        assert await client.post(viewer, "suggestion_shown", 7) == 200
        await client.counts_become(viewer, {"suggestion_shown": 7})
        assert await client.counts(hidden) == {}
    for viewer in ("", "x" * 256, "\ud800"):
        assert (await gateway.get(ME, viewer)).code == "no_viewer"
    with clickhouse_connect.get_client(dsn=deployment.settings["CLICKHOUSE"]) as server:
        rows = server.query("SELECT DISTINCT viewer_id FROM telemetry_counts").result_columns[0]
    assert hidden in rows
    assert all(len(row) == 64 and int(row, 16) for row in rows)


async def test_a_batch_sent_to_one_gateway_and_again_to_the_other_counts_once(
    session: aiohttp.ClientSession, deployment: Deployment
) -> None:
    body = {"batch_id": "9b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d12", "events": [SHOWN, SHOWN]}
    for name in ("gateway", "gateway-2", "gateway"):
        got = await ApiClient(session, deployment.processes[name].url).post(BATCH, "twice", body)
        assert got.json == {"ok": True, "accepted": 2, "rejected": []}
    last = {**body, "batch_id": "9b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d13", "events": [{"event": "suggestion_undo"}]}
    assert (await ApiClient(session, deployment.write_url).post(BATCH, "twice", last)).status == 200
    await Client(session, deployment).counts_become("twice", {"suggestion_shown": 2, "suggestion_undo": 1})
