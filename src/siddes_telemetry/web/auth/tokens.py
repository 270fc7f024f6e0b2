"""JWTs (RFC 7519): verified once, then remembered for as long as they hold, a few minutes at most."""

from __future__ import annotations

from dataclasses import dataclass

from jwt import PyJWS, PyJWTError

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.claims import ClaimRules, read_claims
from siddes_telemetry.web.auth.configuration import Clocks
from siddes_telemetry.web.auth.keys import KeySource
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
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
    """Tokens signed with one algorithm, never the one a token names. Refusals are not remembered: they are cheap."""

    def __init__(
        self,
        keys: KeySource,
        algorithm: str,
        rules: ClaimRules,
        viewers: ViewerPolicy,
        *,
        clocks: Clocks,
        metrics: AuthMetrics,
        capacity: int = MAX_REMEMBERED,
    ) -> None:
        self._keys = keys
        self._algorithm = algorithm
        self._jws = PyJWS(algorithms=[algorithm])
        self._rules = rules
        self._viewers = viewers
        self._clocks = clocks
        self._tally = metrics.tally
        self._hits = metrics.cache_hits[Cache.token]
        self._remembered: ExpiringCache[_Verified] = ExpiringCache(capacity)

    def remembered(self, token: str, *, by_cookie: bool) -> Identity | None:
        """Who sends a token that was verified lately, without waiting; None says nothing."""
        if not token.isascii():
            return None
        known = self._remembered.get(digest(token), self._clocks.monotonic_s())
        if known is None or self._clocks.epoch_s() >= known.expires_at:
            return None
        self._tally.add(self._hits)
        return known.session if by_cookie else known.bearer

    async def verified(self, token: str) -> str | None:
        """Who the token speaks for, or None where it is not valid. Raises Unanswered."""
        verified = await self._verify(token) if has_token_shape(token) else None
        if verified is None:
            return None
        self._remembered.put(digest(token), verified, until=self._clocks.monotonic_s() + REMEMBER_S)
        return verified.bearer.viewer_id

    async def _verify(self, token: str) -> _Verified | None:
        try:
            header = self._jws.get_unverified_header(token)
        except PyJWTError:
            return None
        if header.get("alg") != self._algorithm or "crit" in header:  # no extension is understood (RFC 7515, 4.1.11)
            return None
        for key in await self._keys.candidates(header.get("kid")):
            try:
                payload = self._jws.decode_complete(token, key, algorithms=[self._algorithm])["payload"]
            except PyJWTError:
                continue
            claims = read_claims(payload, self._rules, self._clocks.epoch_s())
            viewer_id = None if claims is None else self._viewers.admitted(claims.subject)
            if claims is None or viewer_id is None:
                return None
            bearer, session = (Identity(viewer_id, by_cookie=by_cookie) for by_cookie in (False, True))
            return _Verified(bearer, session, claims.expires_at)
        return None


def has_token_shape(text: str) -> bool:
    """Whether it could be a JWT at all: three parts (RFC 7515, 3.1) of ASCII, and not too long."""
    return text.count(".") == _DOTS and len(text) <= MAX_TOKEN_CHARS and text.isascii()
