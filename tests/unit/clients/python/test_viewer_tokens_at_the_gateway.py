"""A server's own tokens, made by viewer_token, where browsers are known by a session or by a provider's tokens."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from siddes_telemetry.web.auth.configuration import (
    AuthConfiguration,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from siddes_telemetry_client import viewer_token, viewer_tokens
from tests.unit.web.auth.auth_harness import NOW, SECRET, authenticator, bearer, outcome, pem, private_key, token

AWAY = IntrospectionConfiguration("http://127.0.0.1:1/me", "viewer_id")  # never asked about a bearer token


@pytest.fixture(autouse=True)
def gateways_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_tokens, "time", SimpleNamespace(time=lambda: NOW))


async def test_a_secret_beside_auth_url_lets_a_server_count() -> None:
    configuration = AuthConfiguration(tokens=TokenConfiguration(secret=SECRET), introspection=AWAY)
    async with authenticator(configuration) as gateway:
        assert await outcome(gateway, bearer(viewer_token(SECRET, "alice"))) == ("alice", False)
        assert await outcome(gateway, bearer(viewer_token(SECRET, 42))) == ("42", False)
        assert await outcome(gateway, bearer(viewer_token(b"x" * 32, "alice"))) == "no_viewer"


async def test_without_a_secret_beside_auth_url_a_servers_token_is_refused() -> None:
    async with authenticator(AuthConfiguration(introspection=AWAY)) as gateway:
        assert await outcome(gateway, bearer(viewer_token(SECRET, "alice"))) == "no_viewer"


async def test_a_secret_beside_public_keys_lets_a_server_count_beside_the_providers_tokens(tmp_path: Path) -> None:
    """Both kinds of token must have the issuer, the audience and the claim."""
    keys = tmp_path / "keys.pem"
    keys.write_bytes(pem(private_key("ES256")))
    tokens = TokenConfiguration(
        secret=SECRET,
        key_file=keys,
        algorithm="ES256",
        issuer="https://id.example",
        audience="telemetry",
        claim="user.id",
    )
    theirs = token("ES256", user={"id": "alice"}, iss="https://id.example", aud="telemetry")
    async with authenticator(AuthConfiguration(tokens=tokens)) as gateway:
        assert await outcome(gateway, bearer(theirs)) == ("alice", False)
        own = viewer_token(SECRET, "alice", issuer="https://id.example", audience="telemetry", claim="user.id")
        assert await outcome(gateway, bearer(own)) == ("alice", False)
        assert await outcome(gateway, bearer(viewer_token(SECRET, "alice", claim="user.id"))) == "no_viewer"


@pytest.mark.parametrize("viewer", ["alice@example.com", "", "a" * 65])
async def test_the_gateway_judges_the_viewers_form(viewer: str) -> None:
    async with authenticator() as gateway:
        assert await outcome(gateway, bearer(viewer_token(SECRET, viewer))) == "no_viewer"
