"""Checks the claims of a token (RFC 7519, 4.1) whose signature is valid. Pure.

`exp` is required and exact. `nbf` has a leeway, for issuers whose clock is ahead of ours. `iat` is ignored. `aud`, if
present, must name us: without a configured audience, a token with an audience is refused. `iss` is checked if an issuer
is configured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.web.auth.refusals import Refusal, Refused

DEFAULT_LEEWAY_S = 30.0  # unsynchronized clocks usually differ by less
SUBJECT_CLAIM = "sub"


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The required `iss` and `aud`, the claim that names the viewer (see `find_claim`), and the leeway of `nbf`."""

    issuer: str | None = None
    audience: str | None = None
    subject: str = SUBJECT_CLAIM
    leeway_s: float = DEFAULT_LEEWAY_S


@dataclass(frozen=True, slots=True)
class Claims:
    """The used claims: the subject, a number as its JSON text; and `exp` in epoch seconds."""

    subject: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written. Not equal to any string."""

    text: str


def read_claims(payload: bytes, rules: ClaimRules, now: float) -> Claims:
    """The claims. Raises Refused if they do not hold at `now` (epoch seconds)."""
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
    """The claim of this name, or None.

    A name with dots is first the whole name of a claim, such as `https://app.example/id`. If there is no such claim, it
    is a path through nested objects; of several possible paths, the one with the longest first name is used.
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
