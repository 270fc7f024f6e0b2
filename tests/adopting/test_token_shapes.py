"""Tokens of identity providers, before an authenticator with exactly the environment of docs/adopting.md."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from jwt import PyJWS
from yarl import URL

from siddes_telemetry.cli.auth_settings import auth_configuration
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.web.auth.authenticator import ViewerAuthenticator
from siddes_telemetry.web.auth.configuration import AuthClocks
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth.refusals import Refusal
from siddes_telemetry.web.credentials import Credentials
from tests.adopting.identity_providers import CLERK, PROVIDERS, SUPABASE, Provider
from tests.adopting.recipes import Recipe
from tests.unit.web.auth.auth_harness import Metrics, bearer, outcome, private_key

JWKS_URL = "SIDDES_TELEMETRY_JWT_JWKS_URL"
SECRET = "SIDDES_TELEMETRY_JWT_SECRET"
COOKIE = "SIDDES_TELEMETRY_SESSION_COOKIE"
LIFE_S = 60.0

of_each = pytest.mark.parametrize("provider", PROVIDERS, ids=str)


def documented(provider: Provider) -> dict[str, str]:
    return Recipe(provider.name.partition(",")[0]).environment()


@asynccontextmanager
async def authenticator(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> AsyncIterator[ViewerAuthenticator]:
    """One with the page's environment, but for the address of the keys: their path is served on loopback."""
    environment = documented(provider)
    assert environment[JWKS_URL] == provider.jwks_url
    keys = URL(provider.jwks_url)
    app = web.Application()
    app.router.add_get(keys.raw_path, partial(_answer, json.dumps({"keys": provider.keys})))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        local = keys.with_scheme("http").with_host("127.0.0.1").with_port(runner.addresses[0][1])
        for name, value in {**environment, JWKS_URL: str(local)}.items():
            monkeypatch.setenv(name, value)
        assert unknown_variables() == []
        configuration = auth_configuration(load_settings())
        clocks = AuthClocks(time.time, time.monotonic)
        async with make_authenticator(configuration, metrics=metrics, clocks=clocks) as viewers:
            yield viewers
    finally:
        await runner.cleanup()


async def _answer(body: str, _: web.Request) -> web.Response:
    return web.Response(text=body, content_type="application/json")


def token(provider: Provider, **changes: object) -> str:
    """A token of this shape, signed; None takes a claim out."""
    now = time.time()
    dates = {"iat": int(now), "nbf": int(now), "exp": int(now + LIFE_S)}
    claims = {name: value for name, value in {**provider.claims, **dates, **changes}.items() if value is not None}
    signed_by_secret = provider.algorithm == "HS256"
    key = documented(provider)[SECRET].encode() if signed_by_secret else private_key(provider.algorithm)
    header = dict(provider.header) | ({} if signed_by_secret else {"kid": "k0"})
    return PyJWS().encode(json.dumps(claims).encode(), key, provider.algorithm, headers=header)


@of_each
async def test_its_tokens_name_the_viewer(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    async with authenticator(provider, monkeypatch, Metrics()) as viewers:
        assert await outcome(viewers, bearer(token(provider))) == (provider.viewer, False)


@of_each
async def test_tokens_of_another_tenant_are_refused(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    async with authenticator(provider, monkeypatch, metrics) as viewers:
        assert await outcome(viewers, bearer(token(provider, iss=provider.elsewhere))) == "no_viewer"
    assert metrics.refused() == {Refusal.issuer: 1}


@of_each
async def test_tokens_for_another_service_are_refused(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    async with authenticator(provider, monkeypatch, metrics) as viewers:
        assert await outcome(viewers, bearer(token(provider, aud="some-other-service"))) == "no_viewer"
    assert metrics.refused() == {Refusal.audience: 1}


@of_each
async def test_a_token_in_the_cookie_that_the_page_names_counts_too(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Recipe("Where a browser's token goes").environment()
    if provider is CLERK:
        environment = documented(provider)
    monkeypatch.setenv(COOKIE, environment[COOKIE])
    async with authenticator(provider, monkeypatch, Metrics()) as viewers:
        cookie = Credentials(cookie=f"theme=dark; {environment[COOKIE]}={token(provider)}")
        assert await outcome(viewers, cookie) == (provider.viewer, True)


async def test_the_public_key_of_a_supabase_project_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The legacy `anon` key is a JWT under the same secret, and every page of the app has it."""
    old = next(provider for provider in PROVIDERS if provider.algorithm == "HS256")
    async with authenticator(old, monkeypatch, Metrics()) as viewers:
        anon = token(old, iss="supabase", ref="acmephotos", role="anon", sub=None, aud=None)
        assert await outcome(viewers, bearer(anon)) == "no_viewer"
        assert await outcome(viewers, bearer(token(SUPABASE))) == (SUPABASE.viewer, False)  # both kinds at a time
