"""JWTs (RFC 7519): verified once, then remembered for as long as they hold, a few minutes at most.

A token's `alg` only chooses among the configured pairs of an algorithm and its keys; its `kid` among those keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jwt import PyJWS, PyJWTError

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.claims import ClaimRules, read_claims
from siddes_telemetry.web.auth.configuration import AuthClocks
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.signatures import KeySource, SignedToken
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from siddes_telemetry.web.credentials import Identity

MAX_TOKEN_CHARS = 8192  # what servers take as one header line
MAX_REMEMBERED = 20_000  # tokens, about 8 MB; one over the bound is verified again, in 0.03 to 0.2 ms
REMEMBER_S = 300.0  # a key that is withdrawn must not live on in here

_DOTS = 2


@dataclass(frozen=True, slots=True)
class _Verified:
    bearer: Identity  # who whoever sends it in a header is
    session: Identity  # the same for a cookie
    expires_at: float  # epoch seconds


class TokenVerifier:
    """Tokens under any of `sources`, by algorithm. Refusals are not remembered here: they are cheap."""

    def __init__(
        self,
        sources: Mapping[str, KeySource],
        rules: ClaimRules,
        viewers: ViewerPolicy,
        *,
        clocks: AuthClocks,
        metrics: AuthMetrics,
        capacity: int = MAX_REMEMBERED,
    ) -> None:
        self._sources = sources
        self._jws = PyJWS(algorithms=list(sources))
        self._rules = rules
        self._viewers = viewers
        self._clocks = clocks
        self._buffered = metrics.buffered
        self._hits = metrics.cache_hits[Cache.token]
        self._remembered: ExpiringCache[_Verified] = ExpiringCache(capacity)

    def cached_identity(self, token: str, *, by_cookie: bool) -> Identity | None:
        """Who sends a token that was verified lately, without waiting; None says nothing."""
        if not token.isascii():
            return None
        known = self._remembered.get(digest(token), self._clocks.monotonic_s())
        if known is None or self._clocks.epoch_s() >= known.expires_at:
            return None
        self._buffered.increment(self._hits)
        return known.session if by_cookie else known.bearer

    async def verified(self, token: str) -> str:
        """Who the token speaks for. Raises Refused, and what KeySource.payload raises besides."""
        signed = self._signed(token)
        payload = await self._sources[signed.algorithm].payload(signed)
        claims = read_claims(payload, self._rules, self._clocks.epoch_s())
        viewer_id = self._viewers.viewer_id(claims.subject)
        if viewer_id is None:
            raise Refused(Refusal.subject_form)
        bearer, session = (Identity(viewer_id, by_cookie=by_cookie) for by_cookie in (False, True))
        verified = _Verified(bearer, session, claims.expires_at)
        self._remembered.put(digest(token), verified, until=self._clocks.monotonic_s() + REMEMBER_S)
        return viewer_id

    def _signed(self, token: str) -> SignedToken:
        """The token by its header, nothing of which is to be trusted. Raises Refused."""
        if not looks_like_jwt(token):
            raise Refused(Refusal.not_a_token)
        try:
            header = self._jws.get_unverified_header(token)
        except PyJWTError:
            raise Refused(Refusal.not_a_token) from None
        if "crit" in header:  # no extension is understood (RFC 7515, 4.1.11)
            raise Refused(Refusal.not_a_token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._sources:
            raise Refused(Refusal.algorithm)
        return SignedToken(token, algorithm, header.get("kid"), self._jws)


def looks_like_jwt(text: str) -> bool:
    """Whether it could be a JWT at all: three parts (RFC 7515, 3.1) of ASCII, and not too long."""
    return text.count(".") == _DOTS and len(text) <= MAX_TOKEN_CHARS and text.isascii()
