"""Requests with a canary in a JWT's header, claims or signature, valid or not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt

from tests.e2e.canaries import Canaries
from tests.e2e.canary_requests import GOOD, INGEST, SERIES, SUMMARY, CanaryRequest, request
from tests.product.deployments import JWT_SECRET
from tests.unit.web.auth.auth_harness import jwk, private_key

OTHER_SECRET = "another-secret-than-the-one-of-the-services-0123"


def tokens(canaries: Canaries, viewer: str, session_cookie: str, *, pseudonyms: bool) -> Iterator[CanaryRequest]:
    """Yields each token as a Bearer token and as a session cookie, for writing and for reading.

    `viewer` is the subject of the valid ones. With pseudonyms, an e-mail address or any other short text is valid too.
    """
    for what, token, good in (*_headers(canaries, viewer), *_claims(canaries, viewer), *_broken(canaries, viewer)):
        status = 200 if good or (good is None and pseudonyms) else 401
        for carrier in (("Authorization", f"Bearer {token}"), ("Cookie", f"{session_cookie}={token}")):
            yield CanaryRequest(f"{what} of a token", request([carrier]), status)
            for target in (SUMMARY, SERIES):
                yield CanaryRequest(f"{what} of a token", request([carrier], None, method="GET", target=target), status)
    c = canaries.new("a cross-site cookie")
    cookie = ("Cookie", f"{session_cookie}={_sign({'sub': viewer, 'note': c})}")
    yield CanaryRequest("cross-site", request([cookie, ("Origin", f"https://{c}.example")], GOOD, target=INGEST), 403)
    yield CanaryRequest("cross-site", request([cookie, ("Sec-Fetch-Site", f"cross-{c}")], GOOD, target=INGEST), 403)


def key_set(canaries: Canaries) -> str:
    """Returns a JWK Set with canaries in members that nothing reads."""
    key = jwk("ES256") | {canaries.new("the name of a member of a JWK"): canaries.new("a member of a JWK")}
    other = jwk("RS256", kid=canaries.new("the id of a key of another kind"))
    return json.dumps({"keys": [key, other], "issuer": canaries.new("a member of a JWK Set")})


def pending_tokens(canaries: Canaries, viewer: str) -> tuple[CanaryRequest, list[CanaryRequest]]:
    """Returns a request signed by the key of `key_set`, and requests whose key only a newer set could have."""

    def sent(claims: dict[str, Any], number: int = 0, **header: Any) -> bytes:
        payload = {"exp": time.time() + 3600, **claims}
        token = jwt.encode(payload, private_key("ES256", number), "ES256", header)
        return request([("Authorization", f"Bearer {token}")])

    pending = [
        sent({"sub": canaries.new("sub under a key that may be newer")}, 1),
        sent({"sub": viewer}, 1, kid=canaries.new("kid of a key that may be newer")),
        sent({"sub": viewer}, 1, kid="k0", x5t=canaries.new("x5t of a token with a bad signature")),
    ]
    known = sent({"sub": viewer, "note": canaries.new("a claim under a known key")}, kid="k0")
    return CanaryRequest("a known key", known, 200), [
        CanaryRequest("a key that may be newer", each, 503) for each in pending
    ]


def _sign(claims: dict[str, Any], *, secret: str = JWT_SECRET, **header: Any) -> str:
    return jwt.encode({"exp": time.time() + 3600, **claims}, secret, algorithm="HS256", headers=header)


Case = tuple[str, str, bool | None]


def _headers(canaries: Canaries, viewer: str) -> Iterator[Case]:
    for name in ("kid", "typ", "cty", "jku", "x5u", canaries.new("the name of a header of a token")):
        yield name, _sign({"sub": viewer}, **{name: canaries.new(f"{name} of a token")}), True
    yield "crit", _sign({"sub": viewer}, crit=[canaries.new("crit of a token")]), False
    for name in ("alg", "kid"):  # by hand: PyJWT makes none of these
        header = {"typ": "JWT", "alg": "HS256", "kid": [1]} | {name: {"x": canaries.new(f"odd {name} of a token")}}
        yield name, ".".join([_part(header), _part({"sub": viewer}), "c2ln"]), False


def _claims(canaries: Canaries, viewer: str) -> Iterator[Case]:
    for name in ("iss", "jti", "name", "email", canaries.new("the name of a claim")):
        yield name, _sign({"sub": viewer, name: canaries.new(f"claim {name}")}), True
    yield "nested", _sign({"sub": viewer, "address": [{"street": canaries.new("a nested claim")}]}), True
    for name in ("aud", "exp", "nbf"):
        yield name, _sign({"sub": viewer, name: canaries.new(f"claim {name}")}), False
    yield "early", _sign({"sub": viewer, "nbf": int(canaries.new("nbf as a number"))}), False
    yield "expired", _sign({"sub": canaries.new("sub of an expired token"), "exp": 1}), False
    for form in ("{} b", "{}#..", "{0}" * 5, "\u00e9{}", "{}\n"):
        yield f"sub {form!r}", _sign({"sub": form.format(canaries.new(f"sub {form!r}"))}), None
    yield "sub that is too long", _sign({"sub": canaries.new("sub that is too long") * 15}), False
    c = canaries.new("sub of e-mail deployment")
    yield "e-mail", _sign({"sub": f"{c}@mail.example"}), None
    yield "sub that is a number", _sign_raw({"sub": int(canaries.new("sub that is a number") * 15)}), False  # too long
    yield "sub that is a list", _sign_raw({"sub": [canaries.new("sub that is a list")]}), False


def _broken(canaries: Canaries, viewer: str) -> Iterator[Case]:
    yield "another's", _sign({"sub": canaries.new("sub signed by another")}, secret=OTHER_SECRET), False
    c = canaries.new("sub that nobody signed")
    yield "unsigned", ".".join([_part({"alg": "none"}), _part({"sub": c}), ""]), False
    c = canaries.new("payload that is no JSON")
    yield "payload", jwt.PyJWS().encode(c.encode(), JWT_SECRET, algorithm="HS256"), False
    c = canaries.new("signature")
    yield "signature", ".".join([_part({"alg": "HS256"}), _part({"sub": viewer}), c]), False


def _sign_raw(claims: dict[str, Any]) -> str:
    payload = json.dumps({"exp": time.time() + 3600, **claims}).encode()
    return jwt.PyJWS().encode(payload, JWT_SECRET, algorithm="HS256")


def _part(value: object) -> str:
    return jwt.utils.base64url_encode(json.dumps(value).encode()).decode()
