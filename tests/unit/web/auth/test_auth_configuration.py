"""Problems of a configuration, and their texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from jwt.algorithms import get_default_algorithms

from siddes_telemetry.web.auth.algorithms import PUBLIC_KEY_ALGORITHMS
from siddes_telemetry.web.auth.configuration import (
    AuthConfiguration,
    ConfigurationError,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from tests.unit.web.auth.auth_harness import KINDS, SECRET, authenticator, name_of, pem, private_key

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
        (TokenConfiguration(key_file=Path("x"), jwks_url=URL), "only one of"),
        (TokenConfiguration(secret=SECRET, key_file=Path("x"), jwks_url=URL), "only one of"),
        (
            TokenConfiguration(secret=SECRET, jwks_url=URL, algorithm="HS256"),
            "secret beside them is always for HS256",
        ),
        (TokenConfiguration(secret=CANARY.encode()), "JWT_SECRET must be at least 32 bytes"),
        (TokenConfiguration(secret=SECRET, algorithm="RS256"), "JWT_ALGORITHM"),
        (TokenConfiguration(jwks_url=URL, algorithm="HS256"), "JWT_ALGORITHM"),
        (TokenConfiguration(jwks_url=URL, algorithm=CANARY), "JWT_ALGORITHM must be one of RS256, RS384, RS512, PS256"),
        (TokenConfiguration(jwks_url=URL, algorithm="ES521"), "JWT_ALGORITHM"),  # PyJWT's own name for ES512
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_and_public_keys_may_stand_side_by_side(kind: str, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.pem"
    key_file.write_bytes(pem(private_key(kind)))
    for tokens in (
        TokenConfiguration(secret=SECRET, key_file=key_file, algorithm=name_of(kind)),
        TokenConfiguration(secret=SECRET, jwks_url=URL, algorithm=name_of(kind)),
        TokenConfiguration(secret=SECRET, jwks_url=URL),
        TokenConfiguration(secret=SECRET, algorithm="HS256"),
    ):
        authenticator(AuthConfiguration(tokens=tokens, introspection=IntrospectionConfiguration(URL)))


def test_every_public_key_algorithm_of_pyjwt_may_be_set() -> None:
    symmetric = {"none", "HS256", "HS384", "HS512"}
    its_own_spelling = {"ES521"}  # of ES512
    assert set(PUBLIC_KEY_ALGORITHMS) == set(get_default_algorithms()) - symmetric - its_own_spelling
    assert set(PUBLIC_KEY_ALGORITHMS) == {name_of(kind) for kind in KINDS}


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
