"""Public keys from a JWKS URL: fetched on first use, kept fresh while in use, kept through outages for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from siddes_telemetry.web.auth.http_get import FetchFailed, FetchProblem, Get, Unanswered
from siddes_telemetry.web.auth.keys import JwkSet, KeyProblem, PublicKey, read_jwk_set
from siddes_telemetry.web.auth.metrics import AuthMetrics, Keys, Outcome
from siddes_telemetry.web.auth.single_flight import SingleFlight

MAX_JWKS_BYTES = 256 * 1024
FETCH_TIMEOUT_S = 5.0
REFRESH_AFTER_S = 600.0  # a key taken out of the set is forgotten this long after, and a cached token later
UNKNOWN_KEY_EVERY_S = 60.0  # made-up key ids must not become load on the identity provider
RETRY_AFTER_S = 5.0  # while there are no keys at all every token waits for them
RETRY_REFRESH_AFTER_S = 60.0
KEEP_S = 24 * 3600.0  # how long an outage of the URL may last before its keys are no longer believed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    keys: JwkSet
    fetched_at: float

    def candidates(self, key_id: str | None) -> Sequence[PublicKey]:
        """The keys of this id; for a token without one, the only key there is."""
        if key_id is not None:
            return self.keys.get(key_id, ())
        every = [key for keys in self.keys.values() for key in keys]
        return every if len(every) == 1 else ()


class JwksUrl:
    """The keys at a URL, one fetch at a time."""

    def __init__(
        self, url: str, algorithm: str, *, get: Get, monotonic_s: Callable[[], float], metrics: AuthMetrics
    ) -> None:
        self._url = url
        self._algorithm = algorithm
        self._get = get
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._held: _Held | None = None
        self._failing = False
        self._next_fetch_at = self._next_unknown_at = monotonic_s()
        self._fetches: SingleFlight[str, _Held | None] = SingleFlight()

    async def candidates(self, key_id: str | None) -> Sequence[PublicKey]:
        """Raises Unanswered where there are no keys at all, or a new key may be at the URL, which is down."""
        held = await self._believed()
        found = held.candidates(key_id)
        if found or key_id is None:
            return found
        now = self._monotonic_s()
        if now >= self._next_unknown_at:
            self._next_unknown_at = now + UNKNOWN_KEY_EVERY_S
        elif self._url not in self._fetches:
            return self._unknown()
        held = await self._fetches.ask(self._url, self._fetch) or held
        return held.candidates(key_id) or self._unknown()

    async def close(self) -> None:
        await self._fetches.close()

    def _unknown(self) -> Sequence[PublicKey]:
        """No keys, if the URL's last word is that there are none."""
        if self._failing:
            raise Unanswered
        return ()

    async def _believed(self) -> _Held:
        """The keys held, with a refresh begun if it is time; waits only where there are none."""
        now = self._monotonic_s()
        if self._held is not None and now >= self._held.fetched_at + KEEP_S:
            self._held = None
        held = self._held
        if held is None and (now >= self._next_fetch_at or self._url in self._fetches):
            held = await self._fetches.ask(self._url, self._fetch)
        elif now >= self._next_fetch_at:
            self._fetches.start(self._url, self._fetch)
        if held is None:
            raise Unanswered
        return held

    async def _fetch(self) -> _Held | None:
        """What is held afterwards."""
        try:
            keys = read_jwk_set(await self._document(), self._algorithm)
        except (FetchFailed, KeyProblem) as problem:
            self._failing = True
            self._next_fetch_at = self._monotonic_s() + (RETRY_REFRESH_AFTER_S if self._held else RETRY_AFTER_S)
            self._metrics.key_loads[Keys.jwks, Outcome.unavailable].inc()
            log.warning("jwks_fetch_failed", problem=str(problem))
        else:
            now = self._monotonic_s()
            self._held = _Held(keys, now)
            self._failing = False
            self._next_fetch_at = now + REFRESH_AFTER_S
            self._metrics.key_loads[Keys.jwks, Outcome.ok].inc()
        return self._held

    async def _document(self) -> bytes:
        status, body = await self._get(
            self._url, {"Accept": "application/json"}, max_bytes=MAX_JWKS_BYTES, timeout_s=FETCH_TIMEOUT_S
        )
        if status != HTTPStatus.OK:
            raise FetchFailed(FetchProblem.status)
        return body
