"""Public keys from a JWKS URL: fetched at the start, refreshed while in use, kept through outages for a while.

A token that none of the keys signed may be signed by a newer key, and clients do not retry after a 401. So a token is
refused only by keys whose fetch began after the token first came in. Until there are such keys, the answer is 503.

    keys held              token                          does
    none, or too old       any                            waits for a fetch; none: AuthenticationUnavailable
    any                    signed by one of them          accepted at once; a due refresh begins in the background
    fetched after it       not signed by any              Refused; for REMEMBER_REFUSED_S it costs no fetch again
    fetched before it      not signed by any              waits for a fetch, MAX_WAIT_S at most, and is checked again
    fetched before it      and no fetch may begin yet     KeyRefreshPending, with the seconds until one may

`Fetched before or after` compares numbers: fetches are numbered, and a token is remembered with the number of the last
fetch that had begun when it first came in. At most one fetch begins in FETCH_EVERY_S, whoever causes it, so forged
tokens put no load on the identity provider.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.http_client import AuthenticationUnavailable, FetchError, FetchErrorReason, Get
from siddes_telemetry.web.auth.keys import JwkSet, PublicKey, UnusableKeys, read_jwk_set
from siddes_telemetry.web.auth.metrics import AuthMetrics, Keys, Outcome
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.signatures import SignedToken
from siddes_telemetry.web.credentials import KeyRefreshPending

MAX_JWKS_BYTES = 256 * 1024
MAX_TRIED_KEYS = 8  # for one token, at up to 0.2 ms each: a forged token is tried with all of them
FETCH_TIMEOUT_S = 5.0
FETCH_EVERY_S = 5.0  # from the begin of one fetch to that of the next
MAX_WAIT_S = 2.0  # of a token for keys: well below the 10 s after which an unread request body times out
REFRESH_AFTER_S = 600.0  # a key that was removed from the set is accepted for this long, a cached token a bit longer
RETRY_REFRESH_AFTER_S = 60.0
KEEP_S = 24 * 3600.0  # how long an outage of the URL may last before its keys expire
REMEMBER_REFUSED_S = 60.0
MAX_REMEMBERED = 20_000  # refused tokens, about 5 MB; a forgotten one may cost a fetch again

_REFUSED = -1  # instead of a fetch number: any keys held may refuse the token

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _FetchedKeys:
    keys: JwkSet
    fetch: int  # the number of their fetch
    fetched_at: float

    def candidates(self, key_id: str | None) -> Sequence[PublicKey]:
        """The keys with this id, or all for a token without one."""
        if key_id is not None:
            return self.keys.get(key_id, ())[:MAX_TRIED_KEYS]
        return [key for keys in self.keys.values() for key in keys][:MAX_TRIED_KEYS]


class JwksUrl:
    """The keys at a URL. A KeySource."""

    def __init__(
        self,
        url: str,
        algorithm: str,
        *,
        get: Get,
        monotonic_s: Callable[[], float],
        metrics: AuthMetrics,
        capacity: int = MAX_REMEMBERED,
    ) -> None:
        self._url = url
        self._algorithm = algorithm
        self._get = get
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._held: _FetchedKeys | None = None
        self._refresh_at = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[None] | None = None  # the latest fetch
        self._fetches = 0  # begun so far
        self._fetch_at = monotonic_s()  # when the next may begin
        self._failed: ExpiringCache[int] = ExpiringCache(capacity)  # by token: the last fetch before it, or _REFUSED

    def start(self) -> None:
        """Begin to fetch, so that a process has keys of its own when the URL goes away. Does not wait.

        A fetch that fails is repeated: the network of a container, or the identity provider, may start later.
        """
        self._begin_fetch()
        self._starting = asyncio.create_task(self._fetch_until_held())

    async def verified_payload(self, token: SignedToken) -> bytes:
        last_fetch = self._fetches
        deadline = asyncio.get_running_loop().time() + MAX_WAIT_S
        held = await self._current_keys(deadline)
        while (payload := token.payload_signed_by(candidates := held.candidates(token.key_id))) is None:
            if self._may_refuse(held, token, last_fetch):
                raise Refused(Refusal.signature if candidates else Refusal.unknown_key)
            held = await self._newer_keys(held, deadline)
        return payload

    async def close(self) -> None:
        """Cancel the fetch under way."""
        tasks = [task for task in (self._starting, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch_until_held(self) -> None:
        while self._held is None:
            fetching = self._begin_fetch()
            if fetching is not None:
                await asyncio.shield(fetching)  # tokens may wait for the same fetch
            if self._held is None:
                await asyncio.sleep(RETRY_REFRESH_AFTER_S)

    def _may_refuse(self, held: _FetchedKeys, token: SignedToken, last_fetch: int) -> bool:
        """Whether the fetch of these keys, which did not sign the token, began after the token first came in."""
        now = self._monotonic_s()
        key = digest(token.text)
        remembered = self._failed.get(key, now)
        fetch_before_token = last_fetch if remembered is None else remembered
        may_refuse = held.fetch > fetch_before_token
        state = _REFUSED if may_refuse else fetch_before_token
        if state != remembered:
            self._failed.put(key, state, until=now + REMEMBER_REFUSED_S)
        return may_refuse

    async def _current_keys(self, deadline: float) -> _FetchedKeys:
        """The keys held; waits for a fetch only if there are none. Begins a refresh that is due."""
        now = self._monotonic_s()
        if self._held is not None and now >= self._held.fetched_at + KEEP_S:
            self._held = None
        if self._held is None:
            await self._wait_for_fetch(deadline)
        elif now >= self._refresh_at:
            self._begin_fetch()
        if self._held is None:
            raise AuthenticationUnavailable
        return self._held

    async def _newer_keys(self, held: _FetchedKeys, deadline: float) -> _FetchedKeys:
        """The keys of a later fetch. Raises KeyRefreshPending."""
        while self._held is None or self._held.fetch <= held.fetch:
            if not await self._wait_for_fetch(deadline):
                raise KeyRefreshPending(retry_after_s=max(1, math.ceil(self._fetch_at - self._monotonic_s())))
        return self._held

    async def _wait_for_fetch(self, deadline: float) -> bool:
        """Wait for the end of a fetch. False if none may begin now, or at the deadline (the loop's clock)."""
        fetching = self._begin_fetch()
        if fetching is None:
            return False
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(fetching)  # others may wait for the same fetch
        except TimeoutError:
            return False
        return True

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        """The fetch under way, or one that begins now, or None if none may begin yet."""
        if self._fetching is None or self._fetching.done():
            now = self._monotonic_s()
            if now < self._fetch_at:
                return None
            self._fetch_at = now + FETCH_EVERY_S
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        self._fetches += 1  # in the task: tokens of the same turn of the loop count as before it
        number = self._fetches
        try:
            keys = read_jwk_set(await self._document(), self._algorithm)
        except (FetchError, UnusableKeys) as problem:
            self._refresh_at = self._monotonic_s() + RETRY_REFRESH_AFTER_S
            self._metrics.key_loads[Keys.jwks, Outcome.unavailable].inc()
            log.warning("jwks_fetch_failed", problem=str(problem))
        else:
            now = self._monotonic_s()
            self._held = _FetchedKeys(keys, number, now)
            self._refresh_at = now + REFRESH_AFTER_S
            self._metrics.key_loads[Keys.jwks, Outcome.ok].inc()

    async def _document(self) -> bytes:
        status, body = await self._get(
            self._url, {"Accept": "application/json"}, max_bytes=MAX_JWKS_BYTES, timeout_s=FETCH_TIMEOUT_S
        )
        if status != HTTPStatus.OK:
            raise FetchError(FetchErrorReason.status)
        return body
