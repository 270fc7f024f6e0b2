"""JWTs: valid ones, forged ones, and how long valid ones are cached."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from siddes_telemetry.web.auth.claims import ClaimRules
from siddes_telemetry.web.auth.configuration import AuthConfiguration, TokenConfiguration
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.signatures import SharedSecret, SignedToken
from siddes_telemetry.web.auth.tokens import CACHE_S, MAX_TOKEN_CHARS, TokenVerifier
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from tests.unit.web.auth.auth_harness import (
    CURVES,
    KINDS,
    NOW,
    RSA,
    SECRET,
    ManualClocks,
    Metrics,
    authenticator,
    bearer,
    claims,
    name_of,
    outcome,
    pem,
    private_key,
    segment,
    token,
)

WITH_SECRET = TokenConfiguration(secret=SECRET)


async def decide(text: str, rules: TokenConfiguration = WITH_SECRET) -> object:
    return await outcome(authenticator(AuthConfiguration(tokens=rules)), bearer(text))


async def refusal(text: str, rules: TokenConfiguration = WITH_SECRET) -> str:
    """The one reason for which it is refused."""
    metrics = Metrics()
    assert await outcome(authenticator(AuthConfiguration(tokens=rules), metrics=metrics), bearer(text)) == "no_viewer"
    ((reason, times),) = metrics.refused().items()
    assert times == 1
    return reason


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"sub": "42"},
        {"sub": "x" * 64},
        {"sub": "A.b_c:d@e-f"},
        {"nbf": NOW},
        {"nbf": NOW + 30},
        {"nbf": NOW - 1e9},
        {"nbf": -5},
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
    ("bad", "reason"),
    [
        ({"exp": None}, "claims"),
        ({"exp": NOW}, "expired"),
        ({"exp": NOW - 1}, "expired"),
        ({"exp": str(NOW + 60)}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": [NOW + 60]}, "claims"),
        ({"exp": float("inf")}, "claims"),
        ({"exp": float("nan")}, "claims"),
        ({"exp": 10**400}, "claims"),
        ({"nbf": NOW + 30.1}, "not_yet_valid"),
        ({"nbf": "0"}, "claims"),
        ({"nbf": True}, "claims"),
        ({"nbf": float("nan")}, "claims"),
        ({"sub": None}, "no_subject"),
        ({"sub": True}, "subject_form"),
        ({"sub": float("nan")}, "subject_form"),
        ({"sub": ""}, "subject_form"),
        ({"sub": "x" * 65}, "subject_form"),
        ({"sub": "a b"}, "subject_form"),
        ({"sub": "someone@example.org"}, "subject_form"),
        ({"sub": "٣"}, "subject_form"),  # a digit, and not ASCII
        ({"sub": "viewer-1\n"}, "subject_form"),
        ({"sub": "\ud800"}, "subject_form"),
        ({"sub": ["viewer-1"]}, "subject_form"),
        ({"sub": {"id": "viewer-1"}}, "subject_form"),
        ({"aud": "another service"}, "audience"),
        ({"aud": ["another service"]}, "audience"),
        ({"aud": {}}, "audience"),
        ({"aud": "another service", "exp": NOW - 1}, "expired"),
    ],
)
async def test_a_token_with_bad_claims_is_refused(bad: dict[str, Any], reason: str) -> None:
    assert await refusal(token(**bad)) == reason


@pytest.mark.parametrize("number", ["42", "0", "-7", "4.20", "1e3", "12345678901234567890123456789"])
async def test_a_subject_that_is_a_number_is_its_own_text(number: str) -> None:
    payload = f'{{"sub":{number},"exp":{NOW + 60}}}'.encode()
    assert await decide(_hs256({"alg": "HS256"}, payload, SECRET)) == (number, False)


async def test_the_leeway_is_a_setting_and_for_nbf_only() -> None:
    for leeway_s in (0, 300):
        rules = replace(WITH_SECRET, leeway_s=leeway_s)
        assert await decide(token(nbf=NOW + leeway_s), rules) == ("viewer-1", False)
        assert await refusal(token(nbf=NOW + leeway_s + 1), rules) == "not_yet_valid"
        assert await refusal(token(exp=NOW), rules) == "expired"


async def test_another_claim_may_say_who_it_is() -> None:
    rules = replace(WITH_SECRET, claim="https://app.example/id")
    good: dict[str, Any] = {"https://app.example/id": 42, "sub": "somebody else"}
    assert await decide(token(**good), rules) == ("42", False)
    assert await refusal(token(), rules) == "no_subject"
    rules = replace(WITH_SECRET, claim="user.id")
    assert await decide(token(user={"id": "nested"}), rules) == ("nested", False)


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
        reason = "issuer" if wrong.get("iss") != "us" else "audience"
        assert await refusal(token(**wrong), rules) == reason, wrong
    numbers = replace(WITH_SECRET, issuer="5", audience="7")
    assert await refusal(token(iss=5, aud="7"), numbers) == "issuer"  # a number is not its text here
    assert await refusal(token(iss="5", aud=[7]), numbers) == "audience"


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
    assert await refusal(f"{segment(header)}.{segment(claims())}.") == "algorithm"
    assert await refusal(_hs256(header, claims(), SECRET)) == "algorithm"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_a_sibling_of_the_algorithm_is_refused(algorithm: str) -> None:
    assert (
        await decide(jwt.encode(claims(), SECRET * 2, algorithm), TokenConfiguration(secret=SECRET * 2)) == "no_viewer"
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.pem"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beside_a_secret", [False, True])
async def test_a_public_key_is_no_hmac_secret(kind: str, beside_a_secret: bool, key_file: Path) -> None:
    public = pem(private_key(kind))
    key_file.write_bytes(public)
    rules = TokenConfiguration(secret=SECRET if beside_a_secret else None, key_file=key_file, algorithm=name_of(kind))
    assert await decide(token(kind), rules) == ("viewer-1", False)
    for secret in (public, public.strip()):
        as_hs256 = await refusal(_hs256({"alg": "HS256"}, claims(), secret), rules)
        assert as_hs256 == ("signature" if beside_a_secret else "algorithm")
        assert await refusal(_hs256({"alg": name_of(kind)}, claims(), secret), rules) == "signature"


@pytest.mark.parametrize("kind", KINDS)
async def test_another_keys_signature_is_refused(kind: str, key_file: Path) -> None:
    key_file.write_bytes(pem(private_key(kind)))
    rules = TokenConfiguration(key_file=key_file, algorithm=name_of(kind))
    assert await refusal(token(kind, number=1), rules) == "signature"
    head, payload, signature = token(kind).split(".")
    assert await refusal(f"{head}.{segment(claims(sub='somebody-else'))}.{signature}", rules) == "signature"
    assert await refusal(f"{head}.{payload}.", rules) == "signature"
    for size in (64, 96, 114, 132, 256):
        assert await refusal(f"{head}.{payload}.{segment(bytes(size))}", rules) == "signature"


async def test_a_secret_and_public_keys_stand_side_by_side_each_with_its_algorithm(key_file: Path) -> None:
    key_file.write_bytes(pem(private_key("ES256")))
    rules = TokenConfiguration(secret=SECRET, key_file=key_file, algorithm="ES256")
    assert await decide(token("ES256"), rules) == ("viewer-1", False)
    assert await decide(token("HS256"), rules) == ("viewer-1", False)
    assert await refusal(_hs256({"alg": "ES256"}, claims(), SECRET), rules) == "signature"
    assert await refusal(jwt.encode(claims(), SECRET * 2, "HS512"), rules) == "algorithm"


@pytest.mark.parametrize("kind", [*RSA, *CURVES, "EdDSA"])
async def test_no_algorithm_but_the_configured_one_is_taken(kind: str, key_file: Path) -> None:
    """Not its siblings either, under keys that would suit them."""
    key_file.write_bytes(pem(private_key(kind)))
    rules = TokenConfiguration(secret=SECRET, key_file=key_file, algorithm=kind)
    for other in KINDS:
        if name_of(other) != kind:
            assert await refusal(token(other), rules) == "algorithm"


@pytest.mark.parametrize("alg", ["hs256", "Hs256", "HS256 ", "es256", "ES512", "NONE", "none", "", 1, None, ["ES256"]])
async def test_an_algorithm_is_its_exact_name(alg: object, key_file: Path) -> None:
    key_file.write_bytes(pem(private_key("ES256")))
    rules = TokenConfiguration(secret=SECRET, key_file=key_file, algorithm="ES256")
    assert await refusal(_hs256({"alg": alg}, claims(), SECRET), rules) == "algorithm"
    assert await refusal(f"{segment({'alg': alg})}.{segment(claims())}.", rules) == "algorithm"


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
    assert await refusal(_hs256({"alg": "HS256", **header}, claims(), SECRET)) == "not_a_token"


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
    ],
)
async def test_what_is_no_token_is_refused(text: str) -> None:
    assert await refusal(text) == "not_a_token"


@pytest.mark.parametrize(
    "payload", [[], b"[" * 4000, b"\xff", b'{"exp":' + b"9" * 5000 + b"}", b'{"exp":1800003600,"sub":"x"', b"null"]
)
async def test_a_payload_that_is_no_object_of_claims_is_refused(payload: object) -> None:
    assert await refusal(_hs256({"alg": "HS256"}, payload, SECRET)) == "claims"


async def test_a_token_is_bounded_in_length() -> None:
    padding = "x" * (3 * MAX_TOKEN_CHARS // 4)
    assert await decide(token(note=padding[:1000])) == ("viewer-1", False)
    assert await decide(token(note=padding)) == "no_viewer"


class CountedSecret(SharedSecret):
    def __init__(self) -> None:
        super().__init__(SECRET)
        self.asked = 0

    async def verified_payload(self, token: SignedToken) -> bytes:
        self.asked += 1
        return await super().verified_payload(token)


def _verifier(keys: CountedSecret, clocks: ManualClocks, capacity: int = 10) -> TokenVerifier:
    return TokenVerifier(
        {"HS256": keys}, ClaimRules(), ViewerPolicy(), clocks=clocks.clocks, metrics=Metrics(), capacity=capacity
    )


async def viewer(verifier: TokenVerifier, text: str) -> str:
    """The viewer, or the reason of the refusal."""
    known = verifier.cached_identity(text, by_cookie=False)
    try:
        return await verifier.viewer_id(text) if known is None else known.viewer_id
    except Refused as refused:
        return refused.reason


async def test_a_verified_token_is_not_verified_again() -> None:
    keys = CountedSecret()
    verifier = _verifier(keys, ManualClocks())
    assert [await viewer(verifier, token()) for _ in range(5)] == ["viewer-1"] * 5
    assert keys.asked == 1


async def test_a_cached_token_never_outlives_its_exp() -> None:
    clocks = ManualClocks()
    verifier = _verifier(CountedSecret(), clocks)
    text = token(exp=NOW + 10)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.advance(9.9)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.advance(0.1)
    assert await viewer(verifier, text) == Refusal.expired


async def test_a_cached_token_follows_the_wall_clock_when_it_is_set() -> None:
    clocks = ManualClocks()
    verifier = _verifier(CountedSecret(), clocks)
    text = token(exp=NOW + 10)
    assert await viewer(verifier, text) == "viewer-1"
    clocks.epoch += 11  # set, not passed: ages have not moved
    assert await viewer(verifier, text) == Refusal.expired


async def test_a_long_lived_token_is_verified_again_after_a_few_minutes() -> None:
    clocks, keys = ManualClocks(), CountedSecret()
    verifier = _verifier(keys, clocks)
    text = token(exp=NOW + 10 * CACHE_S)
    for advance, asked in ((0, 1), (CACHE_S - 1, 1), (1, 2)):
        clocks.advance(advance)
        assert await viewer(verifier, text) == "viewer-1"
        assert keys.asked == asked


async def test_the_token_cache_is_bounded_and_keeps_the_latest_used() -> None:
    keys = CountedSecret()
    verifier = _verifier(keys, ManualClocks(), capacity=3)
    first = token(sub="first")
    for number in range(50):
        await viewer(verifier, token(sub=f"v{number}"))
        await viewer(verifier, first)
        assert len(verifier._cache) <= 3
    assert keys.asked == 51  # the first was used all along and is still known


async def test_a_token_under_another_algorithm_asks_for_no_key() -> None:
    keys = CountedSecret()
    assert await viewer(_verifier(keys, ManualClocks()), jwt.encode(claims(), SECRET * 2, "HS512")) == Refusal.algorithm
    assert keys.asked == 0


async def test_refused_tokens_are_not_cached() -> None:
    verifier = _verifier(CountedSecret(), ManualClocks())
    for number in range(20):
        assert await viewer(verifier, token(sub=f"v{number}", exp=NOW - 1)) == Refusal.expired
    assert len(verifier._cache) == 0


async def test_the_cache_does_not_hold_the_token() -> None:
    verifier = _verifier(CountedSecret(), ManualClocks())
    text = token()
    await viewer(verifier, text)
    assert text not in repr(verifier._cache._entries)
    assert "viewer-1" not in repr(verifier._cache._entries)


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
