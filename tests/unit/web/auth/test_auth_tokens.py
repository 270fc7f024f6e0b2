"""JWTs: what is taken, what is forged, and how long a good one is remembered."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from siddes_telemetry.web.auth.claims import NBF_LEEWAY_S, ClaimRules
from siddes_telemetry.web.auth.configuration import AuthConfiguration, TokenConfiguration
from siddes_telemetry.web.auth.keys import SharedSecret, VerificationKey
from siddes_telemetry.web.auth.tokens import MAX_TOKEN_CHARS, REMEMBER_S, TokenVerifier
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from tests.unit.web.auth.rig import (
    NOW,
    SECRET,
    ManualClocks,
    Metrics,
    authenticator,
    bearer,
    claims,
    outcome,
    pem,
    private_key,
    segment,
    token,
)

WITH_SECRET = TokenConfiguration(secret=SECRET)


async def decide(text: str, rules: TokenConfiguration = WITH_SECRET) -> object:
    return await outcome(authenticator(AuthConfiguration(tokens=rules)), bearer(text))


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"sub": "42"},
        {"sub": "x" * 64},
        {"sub": "A.b_c:d@e-f"},
        {"nbf": NOW},
        {"nbf": NOW + NBF_LEEWAY_S},
        {"exp": NOW + 0.5},
        {"iat": NOW + 100},
        {"iss": "whoever"},
        {"aud": []},
    ],
)
async def test_a_good_token_says_who_is_asking(good: dict[str, Any]) -> None:
    expected = claims(**good)["sub"]
    assert await decide(token(**good)) == (expected, False)


@pytest.mark.parametrize(
    "bad",
    [
        {"exp": None},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": str(NOW + 60)},
        {"exp": True},
        {"exp": [NOW + 60]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": NOW + NBF_LEEWAY_S + 0.1},
        {"nbf": "0"},
        {"nbf": True},
        {"nbf": float("nan")},
        {"sub": None},
        {"sub": 42},
        {"sub": ""},
        {"sub": "x" * 65},
        {"sub": "a b"},
        {"sub": "someone@example.org"},
        {"sub": "٣"},  # a digit, and not ASCII
        {"sub": "viewer-1\n"},
        {"sub": "\ud800"},
        {"sub": ["viewer-1"]},
        {"aud": "another service"},
        {"aud": ["another service"]},
        {"aud": {}},
    ],
)
async def test_a_token_with_bad_claims_is_refused(bad: dict[str, Any]) -> None:
    assert await decide(token(**bad)) == "no_viewer"


async def test_issuer_and_audience_are_held_to_where_they_are_configured() -> None:
    rules = replace(WITH_SECRET, issuer="us", audience="telemetry")
    assert await decide(token(iss="us", aud="telemetry"), rules) == ("viewer-1", False)
    assert await decide(token(iss="us", aud=["other", "telemetry"]), rules) == ("viewer-1", False)
    wrongs: list[dict[str, Any]] = [
        {"iss": "us"},
        {"aud": "telemetry"},
        {"iss": "them", "aud": "telemetry"},
        {"iss": ["us"], "aud": "telemetry"},
        {"iss": "us", "aud": "tele"},
        {"iss": "us", "aud": ["tele", 7]},
        {"iss": "us", "aud": {"telemetry": 1}},
    ]
    for wrong in wrongs:
        if isinstance(wrong.get("iss"), list):  # PyJWT will not write such a claim
            text = _hs256({"alg": "HS256"}, claims(**wrong), SECRET)
        else:
            text = token(**wrong)
        assert await decide(text, rules) == "no_viewer", wrong


def _hs256(header: object, payload: object, secret: bytes) -> str:
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


async def test_a_token_of_our_own_making_is_taken() -> None:
    """So that the forgeries below fail for the reason they are there for."""
    assert await decide(_hs256({"alg": "HS256"}, claims(), SECRET)) == ("viewer-1", False)


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "None"}, {"alg": ""}, {"alg": None}, {}, {"alg": ["HS256"]}]
)
async def test_a_token_that_names_no_algorithm_is_refused(header: dict[str, object]) -> None:
    assert await decide(f"{segment(header)}.{segment(claims())}.") == "no_viewer"
    assert await decide(_hs256(header, claims(), SECRET)) == "no_viewer"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_a_sibling_of_the_algorithm_is_refused(algorithm: str) -> None:
    assert (
        await decide(jwt.encode(claims(), SECRET * 2, algorithm), TokenConfiguration(secret=SECRET * 2)) == "no_viewer"
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_public_key_is_no_hmac_secret(algorithm: str, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.pem"
    public = pem(private_key(algorithm))
    key_file.write_bytes(public)
    rules = TokenConfiguration(key_file=key_file, algorithm=algorithm)
    assert await decide(token(algorithm), rules) == ("viewer-1", False)
    for secret in (public, public.strip()):
        assert await decide(_hs256({"alg": "HS256"}, claims(), secret), rules) == "no_viewer"
        assert await decide(_hs256({"alg": algorithm}, claims(), secret), rules) == "no_viewer"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_another_keys_signature_is_refused(algorithm: str, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.pem"
    key_file.write_bytes(pem(private_key(algorithm)))
    rules = TokenConfiguration(key_file=key_file, algorithm=algorithm)
    assert await decide(token(algorithm, number=1), rules) == "no_viewer"
    head, payload, signature = token(algorithm).split(".")
    assert await decide(f"{head}.{segment(claims(sub='somebody-else'))}.{signature}", rules) == "no_viewer"
    assert await decide(f"{head}.{payload}.", rules) == "no_viewer"
    assert await decide(f"{head}.{payload}.{segment(bytes(64))}", rules) == "no_viewer"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"crit": []},
        {"crit": None},
        {"kid": 7},
        {"kid": None},
    ],
)
async def test_headers_that_ask_for_more_are_refused(header: dict[str, object]) -> None:
    assert await decide(_hs256({"alg": "HS256", **header}, claims(), SECRET)) == "no_viewer"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\udc80.a.b",
        "a.b.c.d.e",
        f"{segment(b'[' * 5000)}.e30.e30",
        f"{segment(b'null')}.e30.e30",
        f"{segment(b'9' * 5000)}.e30.e30",
        _hs256({"alg": "HS256"}, [], SECRET),
        _hs256({"alg": "HS256"}, b"[" * 4000, SECRET),
        _hs256({"alg": "HS256"}, b"\xff", SECRET),
        _hs256({"alg": "HS256"}, b'{"exp":' + b"9" * 5000 + b"}", SECRET),
    ],
)
async def test_what_is_no_token_is_refused(text: str) -> None:
    assert await decide(text) == "no_viewer"


async def test_a_token_is_bounded_in_length() -> None:
    padding = "x" * (3 * MAX_TOKEN_CHARS // 4)
    assert await decide(token(note=padding[:1000])) == ("viewer-1", False)
    assert await decide(token(note=padding)) == "no_viewer"


class CountedSecret(SharedSecret):
    def __init__(self) -> None:
        super().__init__(SECRET)
        self.asked = 0

    async def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:
        self.asked += 1
        return await super().candidates(key_id)


def _verifier(keys: CountedSecret, clocks: ManualClocks, capacity: int = 10) -> TokenVerifier:
    return TokenVerifier(
        keys, "HS256", ClaimRules(), ViewerPolicy(), clocks=clocks.clocks, metrics=Metrics(), capacity=capacity
    )


async def viewer(verifier: TokenVerifier, text: str) -> str | None:
    known = verifier.remembered(text, by_cookie=False)
    return await verifier.verified(text) if known is None else known.viewer_id


async def test_a_verified_token_is_not_verified_again() -> None:
    keys = CountedSecret()
    verifier = _verifier(keys, ManualClocks())
    assert [await viewer(verifier, token()) for _ in range(5)] == ["viewer-1"] * 5
    assert keys.asked == 1


async def test_a_remembered_token_never_outlives_its_exp() -> None:
    clocks = ManualClocks()
    verifier = _verifier(CountedSecret(), clocks)
    text = token(exp=NOW + 10)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.advance(9.9)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.advance(0.1)
    assert await viewer(verifier, text) is None


async def test_a_remembered_token_follows_the_wall_clock_when_it_is_set() -> None:
    clocks = ManualClocks()
    verifier = _verifier(CountedSecret(), clocks)
    text = token(exp=NOW + 10)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.epoch += 11  # set, not passed: ages have not moved
    assert await viewer(verifier, text) is None


async def test_a_long_lived_token_is_verified_again_after_a_few_minutes() -> None:
    clocks, keys = ManualClocks(), CountedSecret()
    verifier = _verifier(keys, clocks)
    text = token(exp=NOW + 10 * REMEMBER_S)
    for advance, asked in ((0, 1), (REMEMBER_S - 1, 1), (1, 2)):
        clocks.advance(advance)
        assert await viewer(verifier, text) == "viewer-1"
        assert keys.asked == asked


async def test_memory_of_tokens_is_bounded_and_keeps_the_latest_used() -> None:
    keys = CountedSecret()
    verifier = _verifier(keys, ManualClocks(), capacity=3)
    first = token(sub="first")
    for number in range(50):
        await viewer(verifier, token(sub=f"v{number}"))
        await viewer(verifier, first)
        assert len(verifier._remembered) <= 3
    assert keys.asked == 51  # the first was used all along and is still known


async def test_a_token_under_another_algorithm_asks_for_no_key() -> None:
    keys = CountedSecret()
    assert await viewer(_verifier(keys, ManualClocks()), jwt.encode(claims(), SECRET * 2, "HS512")) is None
    assert keys.asked == 0


async def test_refused_tokens_take_no_memory() -> None:
    verifier = _verifier(CountedSecret(), ManualClocks())
    for number in range(20):
        assert await viewer(verifier, token(sub=f"v{number}", exp=NOW - 1)) is None
    assert len(verifier._remembered) == 0


async def test_what_is_remembered_does_not_hold_the_token() -> None:
    verifier = _verifier(CountedSecret(), ManualClocks())
    text = token()
    await viewer(verifier, text)
    assert text not in repr(verifier._remembered._entries)
    assert "viewer-1" not in repr(verifier._remembered._entries)


async def test_a_refusal_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret_part = "canary7411"
    for text in (token(sub=secret_part + " "), secret_part, f"{segment({'alg': secret_part})}.e30.e30"):
        with pytest.raises(Exception, match=r"^no_viewer$") as caught:
            await authenticator().identify(bearer(text))
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
        assert secret_part not in repr(bearer(text))
    assert secret_part not in caplog.text
