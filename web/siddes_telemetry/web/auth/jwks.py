"""Public keys from a JWKS URL: fetched on first use, kept fresh while in use, kept through outages for a while.

A token that the keys at hand did not sign may be signed by a key that is newer than they are, and a 401 is final for
clients. So it is refused only by keys that were asked for after it had come in:

    keys at hand                      the token
    signed it                         is taken, and waits for nothing
    asked for after it first came     is refused, and for a minute costs no further question
    asked for before                  waits for the question under way, or asks one, WAIT_S at most
    and none may be asked yet         is answered 503 with the time until one may be (KeyRefreshPending)

Whoever asks, there is one question in ASK_EVERY_S: made-up tokens are no load on the identity provider.
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
MAX_TRIED_KEYS = 8  # on one token, at up to 0.2 ms each: what is forged is tried with all of them
FETCH_TIMEOUT_S = 5.0
ASK_EVERY_S = 5.0  # from one question's begin to the next one's
WAIT_S = 2.0  # a token's, for keys: well below the 10 s after which a body that is not read has timed out
REFRESH_AFTER_S = 600.0  # a key taken out of the set is forgotten this long after, and a cached token later
RETRY_REFRESH_AFTER_S = 60.0
KEEP_S = 24 * 3600.0  # how long an outage of the URL may last before its keys are no longer believed
REMEMBER_REFUSED_S = 60.0
MAX_REMEMBERED = 20_000  # refused tokens, about 5 MB; one over the bound may cost a question again

_REFUSED = -1  # in place of a question's number: any keys at hand may refuse it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    keys: JwkSet
    question: int  # the number of the one that brought them
    fetched_at: float

    def candidates(self, key_id: str | None) -> Sequence[PublicKey]:
        """The keys of this id; for a token without one, all."""
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
        self._held: _Held | None = None
        self._refresh_at = 0.0
        self._question: asyncio.Task[None] | None = None  # the last one
        self._questions = 0  # asked so far
        self._ask_at = monotonic_s()  # when the next may be asked
        self._failed: ExpiringCache[int] = ExpiringCache(capacity)  # by token: questions before it came, or _REFUSED

    async def payload(self, token: SignedToken) -> bytes:
        asked_before = self._questions
        deadline = asyncio.get_running_loop().time() + WAIT_S
        held = await self._believed(deadline)
        while (payload := token.payload(candidates := held.candidates(token.key_id))) is None:
            if self._is_last_word(held, token, asked_before):
                raise Refused(Refusal.signature if candidates else Refusal.unknown_key)
            held = await self._newer(held, deadline)
        return payload

    async def close(self) -> None:
        """Drop the question under way."""
        if self._question is not None:
            self._question.cancel()
            await asyncio.gather(self._question, return_exceptions=True)

    def _is_last_word(self, held: _Held, token: SignedToken, asked_before: int) -> bool:
        """Whether these keys, which did not sign the token, were asked for after it had first come in."""
        now = self._monotonic_s()
        key = digest(token.text)
        remembered = self._failed.get(key, now)
        first_came_after = asked_before if remembered is None else remembered
        is_last_word = held.question > first_came_after
        state = _REFUSED if is_last_word else first_came_after
        if state != remembered:
            self._failed.put(key, state, until=now + REMEMBER_REFUSED_S)
        return is_last_word

    async def _believed(self, deadline: float) -> _Held:
        """The keys held, with a refresh begun if it is time; waits only where there are none."""
        now = self._monotonic_s()
        if self._held is not None and now >= self._held.fetched_at + KEEP_S:
            self._held = None
        if self._held is None:
            await self._asked(deadline)
        elif now >= self._refresh_at:
            self._open_question()
        if self._held is None:
            raise AuthenticationUnavailable
        return self._held

    async def _newer(self, held: _Held, deadline: float) -> _Held:
        """Keys of a later question than these. Raises KeyRefreshPending."""
        while self._held is None or self._held.question <= held.question:
            if not await self._asked(deadline):
                raise KeyRefreshPending(retry_after_s=max(1, math.ceil(self._ask_at - self._monotonic_s())))
        return self._held

    async def _asked(self, deadline: float) -> bool:
        """Wait for a question's end; false where none may be asked now, or time is up (by the loop's clock)."""
        question = self._open_question()
        if question is None:
            return False
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(question)  # one who stops waiting takes no answer from the others
        except TimeoutError:
            return False
        return True

    def _open_question(self) -> asyncio.Task[None] | None:
        """The question under way, asked now if there is none and one may be."""
        if self._question is None or self._question.done():
            now = self._monotonic_s()
            if now < self._ask_at:
                return None
            self._ask_at = now + ASK_EVERY_S
            self._question = asyncio.create_task(self._ask())
        return self._question

    async def _ask(self) -> None:
        self._questions += 1  # now: who came in the same turn of the loop came before
        number = self._questions
        try:
            keys = read_jwk_set(await self._document(), self._algorithm)
        except (FetchError, UnusableKeys) as problem:
            self._refresh_at = self._monotonic_s() + RETRY_REFRESH_AFTER_S
            self._metrics.key_loads[Keys.jwks, Outcome.unavailable].inc()
            log.warning("jwks_fetch_failed", problem=str(problem))
        else:
            now = self._monotonic_s()
            self._held = _Held(keys, number, now)
            self._refresh_at = now + REFRESH_AFTER_S
            self._metrics.key_loads[Keys.jwks, Outcome.ok].inc()

    async def _document(self) -> bytes:
        status, body = await self._get(
            self._url, {"Accept": "application/json"}, max_bytes=MAX_JWKS_BYTES, timeout_s=FETCH_TIMEOUT_S
        )
        if status != HTTPStatus.OK:
            raise FetchError(FetchErrorReason.status)
        return body
