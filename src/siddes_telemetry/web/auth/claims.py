"""What a token must claim (RFC 7519, 4.1) once its signature is known to be good. Pure.

`exp` is required and has no leeway; `nbf` has a little, for issuers whose clock is ahead of ours. `aud` where it is
present must name us: with no audience configured, a token meant for somebody in particular is refused. `iss` is
looked at where an issuer is configured.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

NBF_LEEWAY_S = 2.0  # clocks kept by NTP differ by less


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Whose tokens are taken (`iss`), and for whom they must be meant (`aud`)."""

    issuer: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What is used of a token: `sub` as claimed, of any type, and `exp` in epoch seconds."""

    subject: object
    expires_at: float


def read_claims(payload: bytes, rules: ClaimRules, now: float) -> Claims | None:
    """The claims, or None where they do not hold at `now` (epoch seconds)."""
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    expires_at = _numeric_date(claims.get("exp"))
    not_before = _numeric_date(claims.get("nbf", 0))
    if expires_at is None or now >= expires_at or not_before is None or now + NBF_LEEWAY_S < not_before:
        return None
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        return None
    return Claims(claims.get("sub"), expires_at) if _is_meant_for(claims.get("aud"), rules.audience) else None


def _numeric_date(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _is_meant_for(claimed: object, audience: str | None) -> bool:
    if audience is None:
        return claimed is None or claimed == []
    return audience == claimed or (isinstance(claimed, list) and audience in claimed)
