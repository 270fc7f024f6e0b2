"""What stops the start, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from siddes_telemetry.web.auth.configuration import (
    AuthConfiguration,
    ConfigurationError,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from tests.unit.web.auth.rig import SECRET, authenticator, pem, private_key

CANARY = "canary3391"
GOOD = TokenConfiguration(secret=SECRET)
URL = "https://app.example/me"


def refusal(configuration: AuthConfiguration) -> str:
    with pytest.raises(ConfigurationError) as caught:
        authenticator(configuration)
    assert isinstance(caught.value, ValueError)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_without_an_authenticator_it_refuses_and_says_what_to_set() -> None:
    text = refusal(AuthConfiguration())
    for name in ("JWT_SECRET", "JWT_KEY_FILE", "JWT_JWKS_URL", "AUTH_URL"):
        assert f"SIDDES_TELEMETRY_{name}" in text


def test_debug_needs_none() -> None:
    authenticator(AuthConfiguration(debug=True))


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        (TokenConfiguration(), "JWT_SECRET"),
        (TokenConfiguration(secret=SECRET, jwks_url=URL), "exactly one"),
        (TokenConfiguration(secret=SECRET, key_file=Path("x")), "exactly one"),
        (TokenConfiguration(secret=CANARY.encode()), "JWT_SECRET must be at least 32 bytes"),
        (TokenConfiguration(secret=SECRET, algorithm="RS256"), "JWT_ALGORITHM"),
        (TokenConfiguration(jwks_url=URL, algorithm="HS256"), "JWT_ALGORITHM"),
        (TokenConfiguration(jwks_url=URL, algorithm=CANARY), "JWT_ALGORITHM must be one of HS256, RS256, ES256, EdDSA"),
        (TokenConfiguration(jwks_url=URL, algorithm="none"), "JWT_ALGORITHM"),
        (TokenConfiguration(jwks_url=CANARY), "JWT_JWKS_URL"),
        (TokenConfiguration(jwks_url=f"https://user:{CANARY}@idp.example/"), "JWT_JWKS_URL"),
        (TokenConfiguration(jwks_url=f"https://{CANARY}@idp.example/"), "JWT_JWKS_URL"),
        (TokenConfiguration(jwks_url=f"https://:{CANARY}@idp.example/"), "JWT_JWKS_URL"),
        (TokenConfiguration(jwks_url=f"file:///{CANARY}"), "JWT_JWKS_URL"),
        (TokenConfiguration(jwks_url="https://[broken"), "JWT_JWKS_URL"),
        (TokenConfiguration(key_file=Path(CANARY)), "JWT_KEY_FILE cannot be read"),
    ],
)
def test_what_is_wrong_with_tokens_is_named(tokens: TokenConfiguration, named: str) -> None:
    assert named in refusal(AuthConfiguration(tokens=tokens))


def test_a_key_for_another_algorithm_stops_the_start(tmp_path: Path) -> None:
    key_file = tmp_path / CANARY
    key_file.write_bytes(pem(private_key("ES256")))
    authenticator(AuthConfiguration(tokens=TokenConfiguration(key_file=key_file, algorithm="ES256")))
    text = refusal(AuthConfiguration(tokens=TokenConfiguration(key_file=key_file)))
    assert "does not suit RS256" in text


@pytest.mark.parametrize(
    ("configuration", "named"),
    [
        (AuthConfiguration(introspection=IntrospectionConfiguration(CANARY)), "AUTH_URL"),
        (AuthConfiguration(introspection=IntrospectionConfiguration(URL + "#x")), "AUTH_URL"),
        (AuthConfiguration(introspection=IntrospectionConfiguration(URL, f"{CANARY}..id")), "AUTH_FIELD"),
        (AuthConfiguration(introspection=IntrospectionConfiguration(URL, "")), "AUTH_FIELD"),
        (AuthConfiguration(tokens=GOOD, session_cookie=f"{CANARY};"), "SESSION_COOKIE"),
        (AuthConfiguration(tokens=GOOD, viewer_key=b""), "VIEWER_KEY"),
    ],
)
def test_what_is_wrong_elsewhere_is_named(configuration: AuthConfiguration, named: str) -> None:
    assert named in refusal(configuration)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = refusal(
        AuthConfiguration(
            tokens=TokenConfiguration(key_file=tmp_path / "none"),
            introspection=IntrospectionConfiguration(CANARY, "."),
            session_cookie="",
        )
    )
    for name in ("JWT_KEY_FILE", "AUTH_URL", "AUTH_FIELD", "SESSION_COOKIE"):
        assert name in text


def test_no_secret_shows_in_a_repr() -> None:
    configuration = AuthConfiguration(
        tokens=TokenConfiguration(secret=CANARY.encode(), jwks_url=CANARY),
        introspection=IntrospectionConfiguration(CANARY),
        viewer_key=CANARY.encode(),
    )
    assert CANARY not in repr(configuration)
