"""Verifies JWTs (RFC 7519). A valid token is cached until it expires, CACHE_S at most.

A token's `alg` only chooses among the configured algorithms, each with its own keys; its `kid` among those keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jwt import PyJWS, PyJWTError

from siddes_telemetry.web.auth.cache import CACHED_TOKENS, ExpiringCache, digest
from siddes_telemetry.web.auth.claims import ClaimRules, read_claims
from siddes_telemetry.web.auth.configuration import AuthClocks
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.signatures import KeySource, SignedToken
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from siddes_telemetry.web.credentials import Identity

MAX_TOKEN_CHARS = 8192  # what servers accept as one header line
CACHE_S = 300.0  # a withdrawn key is accepted no longer than this

_DOTS = 2


@dataclass(frozen=True, slots=True)
class _Verified:
    bearer: Identity  # of a request with the token in the Authorization header
    session: Identity  # of a request with the token in a cookie
    expires_at: float  # epoch seconds


class TokenVerifier:
    """Verifies tokens with the key source of their algorithm. Refusals are not cached: they are cheap."""

    def __init__(
        self,
        sources: Mapping[str, KeySource],
        rules: ClaimRules,
        viewers: ViewerPolicy,
        *,
        clocks: AuthClocks,
        metrics: AuthMetrics,
        capacity: int = CACHED_TOKENS,
    ) -> None:
        self._sources = sources
        self._jws = PyJWS(algorithms=list(sources))
        self._rules = rules
        self._viewers = viewers
        self._clocks = clocks
        self._buffered = metrics.buffered
        self._hits = metrics.cache_hits[Cache.token]
        self._cache: ExpiringCache[_Verified] = ExpiringCache(capacity)

    def cached_identity(self, token: str, *, by_cookie: bool) -> Identity | None:
        """The identity of a cached token, or None, which decides nothing: the token must be verified."""
        if not token.isascii():
            return None
        known = self._cache.get(digest(token), self._clocks.monotonic_s())
        if known is None or self._clocks.epoch_s() >= known.expires_at:
            return None
        self._buffered.increment(self._hits)
        return known.session if by_cookie else known.bearer

    async def viewer_id(self, token: str) -> str:
        """The viewer of a valid token. Raises Refused, and what KeySource.verified_payload raises."""
        signed = self._signed(token)
        payload = await self._sources[signed.algorithm].verified_payload(signed)
        claims = read_claims(payload, self._rules, self._clocks.epoch_s())
        viewer_id = self._viewers.viewer_id(claims.subject)
        if viewer_id is None:
            raise Refused(Refusal.subject_form)
        bearer, session = (Identity(viewer_id, by_cookie=by_cookie) for by_cookie in (False, True))
        verified = _Verified(bearer, session, claims.expires_at)
        self._cache.put(digest(token), verified, until=self._clocks.monotonic_s() + CACHE_S)
        return viewer_id

    def _signed(self, token: str) -> SignedToken:
        """The token with its header, which is not trusted. Raises Refused."""
        if not looks_like_jwt(token):
            raise Refused(Refusal.not_a_token)
        try:
            header = self._jws.get_unverified_header(token)
        except PyJWTError:
            raise Refused(Refusal.not_a_token) from None
        if "crit" in header:  # no extension is supported (RFC 7515, 4.1.11)
            raise Refused(Refusal.not_a_token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._sources:
            raise Refused(Refusal.algorithm)
        return SignedToken(token, algorithm, header.get("kid"), self._jws)


def looks_like_jwt(text: str) -> bool:
    """Whether this could be a JWT: three parts (RFC 7515, 3.1) of ASCII, and not too long."""
    return text.count(".") == _DOTS and len(text) <= MAX_TOKEN_CHARS and text.isascii()
