from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import jwt
import pytest

from siddes_telemetry_client import viewer_token, viewer_tokens
from siddes_telemetry_client.validation import is_bearer_token
from siddes_telemetry_client.viewer_tokens import _signed

SECRET = "only-for-tests-0123456789abcdef-0123456789"


def claims(token: str, **expected: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], **expected)
    return decoded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [time.time()]
    monkeypatch.setattr(viewer_tokens, "time", SimpleNamespace(time=lambda: now_s[0]))
    return now_s


def test_others_read_what_it_makes() -> None:
    token = viewer_token(SECRET, "google-oauth2|zoë", issuer="https://app.example", audience="telemetry")
    found = claims(token, issuer="https://app.example", audience="telemetry")
    assert set(found) == {"sub", "exp", "iss", "aud"}
    assert found["sub"] == "google-oauth2|zoë"
    assert is_bearer_token(token)
    assert claims(viewer_token(SECRET.encode(), 42, claim="user.id")) == {"user.id": "42", "exp": found["exp"]}


def test_a_uuid_is_the_text_of_it() -> None:
    viewer = UUID("BE44B521-8128-4276-A4B4-DCD870A9E3F1")
    assert viewer_token(SECRET, viewer) == viewer_token(SECRET, "be44b521-8128-4276-a4b4-dcd870a9e3f1")


@pytest.mark.parametrize("ttl_s", [1200, 1201, 3600])
def test_a_token_is_used_again_while_at_least_half_its_time_is_left(clock: list[float], ttl_s: int) -> None:
    made: dict[str, list[float]] = {}
    for _ in range(300):
        made.setdefault(viewer_token(SECRET, "alice", ttl_s=ttl_s), []).append(clock[0])
        clock[0] += ttl_s / 100
    assert 6 <= len(made) <= 7
    for token, used_s in made.items():
        expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
        assert all(ttl_s // 2 < expires_at - used <= ttl_s for used in used_s)


def test_the_cache_is_bounded_and_tells_all_arguments_apart(clock: list[float]) -> None:
    _signed.cache_clear()
    different = [
        viewer_token(SECRET, "alice"),
        viewer_token(SECRET + "!", "alice"),
        viewer_token(SECRET, "bob"),
        viewer_token(SECRET, "alice", issuer="i"),
        viewer_token(SECRET, "alice", audience="i"),
        viewer_token(SECRET, "alice", claim="i"),
        viewer_token(SECRET, "alice", ttl_s=7200),
    ]
    assert len(set(different)) == len(different)
    assert viewer_token(SECRET, "alice") is different[0]
    for viewer in range(5000):
        viewer_token(SECRET, viewer)
    assert _signed.cache_info().currsize == _signed.cache_info().maxsize == 4096


@pytest.mark.parametrize(("secret", "viewer"), [(None, "a"), (SECRET, None), (SECRET, True), (SECRET, 1.5), (7, "a")])
def test_a_wrong_type_is_a_type_error(secret: Any, viewer: Any) -> None:
    with pytest.raises(TypeError, match="must be of type"):
        viewer_token(secret, viewer)


@pytest.mark.parametrize("secret", ["", "short", SECRET + "\n", " " + SECRET, b"short"])
def test_a_secret_that_the_gateway_would_not_take_is_refused_and_not_shown(secret: str | bytes) -> None:
    with pytest.raises(ValueError, match="the secret") as refused:
        viewer_token(secret, "alice")
    assert "short" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_bytes_are_taken_as_they_are() -> None:
    assert jwt.decode(viewer_token(SECRET.encode() + b"\n", "alice"), SECRET + "\n", algorithms=["HS256"])


def test_a_token_outlives_the_retries_of_its_batch() -> None:
    with pytest.raises(ValueError, match="ttl_s"):
        viewer_token(SECRET, "alice", ttl_s=1199)
