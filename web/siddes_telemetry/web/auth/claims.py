"""What a token must claim (RFC 7519, 4.1) once its signature is known to be good. Pure.

`exp` is required and has no leeway; `nbf` has some, for issuers whose clock is ahead of ours; `iat` is not looked at.
`aud` where it is present must name us: with no audience configured, a token meant for somebody in particular is
refused. `iss` is looked at where an issuer is configured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.web.auth.refusals import Refusal, Refused

DEFAULT_LEEWAY_S = 30.0  # clocks that nobody watches differ by less
SUBJECT_CLAIM = "sub"


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Whose tokens are taken (`iss`), for whom they must be meant (`aud`), which claim says who it is (see
    `find_claim`), and how many seconds before `nbf` they are taken already."""

    issuer: str | None = None
    audience: str | None = None
    subject: str = SUBJECT_CLAIM
    leeway_s: float = DEFAULT_LEEWAY_S


@dataclass(frozen=True, slots=True)
class Claims:
    """What is used of a token: who it is for, a number as its JSON text; and `exp` in epoch seconds."""

    subject: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written; equal to no text."""

    text: str


def read_claims(payload: bytes, rules: ClaimRules, now: float) -> Claims:
    """The claims. Raises Refused where they do not hold at `now` (epoch seconds)."""
    try:
        claims = json.loads(payload, parse_int=JsonNumber, parse_float=JsonNumber)
    except (ValueError, RecursionError):
        raise Refused(Refusal.claims) from None
    if not isinstance(claims, dict):
        raise Refused(Refusal.claims)
    expires_at = _numeric_date(claims.get("exp"))
    not_before = _numeric_date(claims["nbf"]) if "nbf" in claims else -math.inf
    if expires_at is None or not_before is None:
        raise Refused(Refusal.claims)
    if now >= expires_at:
        raise Refused(Refusal.expired)
    if now + rules.leeway_s < not_before:
        raise Refused(Refusal.not_yet_valid)
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        raise Refused(Refusal.issuer)
    if not _is_meant_for(claims.get("aud"), rules.audience):
        raise Refused(Refusal.audience)
    return Claims(_subject(find_claim(claims, rules.subject)), expires_at)


def find_claim(claims: Mapping[str, object], name: str) -> object:
    """The claim of this name; None where there is none.

    A name with dots is one claim's whole name, as `https://app.example/id` is; where there is no such claim, it is a
    path through nested objects. Of several ways to read it the one with the longest first name goes.
    """
    if name in claims:
        return claims[name]
    first, dot, _ = name.rpartition(".")
    while dot:
        inner = claims.get(first)
        if isinstance(inner, dict):
            return find_claim(inner, name[len(first) + 1 :])
        first, dot, _ = first.rpartition(".")
    return None


def _subject(claimed: object) -> str:
    """Raises Refused."""
    if claimed is None:
        raise Refused(Refusal.no_subject)
    if isinstance(claimed, JsonNumber):
        return claimed.text
    if not isinstance(claimed, str):
        raise Refused(Refusal.subject_form)
    return claimed


def _numeric_date(value: object) -> float | None:
    if not isinstance(value, JsonNumber):
        return None
    seconds = float(value.text)
    return seconds if math.isfinite(seconds) else None


def _is_meant_for(claimed: object, audience: str | None) -> bool:
    if audience is None:
        return claimed is None or claimed == []
    return audience == claimed or (isinstance(claimed, list) and audience in claimed)
