"""Session introspection: the app's own "who am I" is asked with the session cookie, and believed for a moment.

    a good answer's age    what a request with that cookie gets
    up to 30 s             the answer
    up to 90 s             the answer, and the app is asked again beside it; a refusal ends it
    up to 15 min           what the app says now, asked before strangers
    older, or none         what the app says now, or said within the last 5 s where that is nobody

docs/operations.md has what the app is to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.concurrency_limiter import ConcurrencyLimiter, NoSlot, Priority
from siddes_telemetry.web.auth.http_client import (
    AuthenticationUnavailable,
    FetchError,
    FetchErrorReason,
    Get,
    Redirected,
)
from siddes_telemetry.web.auth.introspection_response import NO_VIEWER, FieldAbsent, read_viewer
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.request_headers import SessionCookie
from siddes_telemetry.web.auth.single_flight import SingleFlight
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy

BELIEVE_VIEWER_S = 30.0
BELIEVE_MEANWHILE_S = 60.0  # more: with the above, how long somebody who signed out may be counted
ASK_AGAIN_S = 2.0  # after a question in that time that came to nothing
KNOWN_S = 900.0  # longer than people pause between two things they do
BELIEVE_REFUSAL_S = 5.0  # short: somebody who has just signed in waits for it
ANSWER_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_OPEN_QUESTIONS = 64  # the app must not drown in ours
FOR_KNOWN_ONLY = 8  # of these: made-up cookies may take the app longer than good ones
TURN_TIMEOUT_S = 2.0
MAX_WAITING = 4096  # in each lane: more than an app that answers in 30 ms gets through in that time
MAX_REMEMBERED = 20_000  # sessions, about 8 MB, and as many refusals

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Good:
    viewer_id: str = field(repr=False)
    answered_at: float
    ask_at: float  # when to ask again


@dataclass(frozen=True, slots=True)
class _Nobody:
    reason: Refusal


class Introspection:
    """Asks at most once at a time about one cookie, and sends nothing but that cookie, to that URL only."""

    def __init__(
        self,
        url: str,
        field_path: str,
        viewers: ViewerPolicy,
        *,
        get: Get,
        monotonic_s: Callable[[], float],
        metrics: AuthMetrics,
        capacity: int = MAX_REMEMBERED,
    ) -> None:
        self._url = url
        self._field = field_path
        self._path = tuple(field_path.split("."))
        self._viewers = viewers
        self._get = get
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._good: ExpiringCache[_Good] = ExpiringCache(capacity)
        self._refused: ExpiringCache[_Nobody] = ExpiringCache(capacity)  # apart: made-up cookies push no good one out
        self._turns = ConcurrencyLimiter(
            MAX_OPEN_QUESTIONS, reserved=FOR_KNOWN_ONLY, max_waiting=MAX_WAITING, wait_s=TURN_TIMEOUT_S
        )
        self._questions: SingleFlight[bytes, str | _Nobody] = SingleFlight()
        self._warned: set[str] = set()

    async def viewer(self, cookie: SessionCookie) -> str:
        """Whose session this is. Raises Refused (session or subject_form) and AuthenticationUnavailable."""
        if not cookie.can_be_sent:
            raise Refused(Refusal.session)
        key = digest(cookie.sent)
        now = self._monotonic_s()
        good = self._good.get(key, now)
        if good is not None and now < good.answered_at + BELIEVE_VIEWER_S + BELIEVE_MEANWHILE_S:
            self._metrics.cache_hits[Cache.introspection].inc()
            if now >= good.ask_at:
                self._questions.start(key, partial(self._question, key, cookie.sent, Priority.KNOWN))
            return good.viewer_id
        refused = self._refused.get(key, now) if good is None else None
        if refused is not None:
            self._metrics.cache_hits[Cache.introspection].inc()
            raise Refused(refused.reason)
        lane = Priority.UNKNOWN if good is None else Priority.KNOWN
        try:
            answer = await self._questions.ask(key, partial(self._question, key, cookie.sent, lane))
        except FetchError:
            raise AuthenticationUnavailable from None  # counted where it was asked, once for all who wait
        if isinstance(answer, _Nobody):
            raise Refused(answer.reason)
        return answer

    async def close(self) -> None:
        await self._questions.close()

    async def _question(self, key: bytes, sent: str, lane: Priority) -> str | _Nobody:
        headers = {"Accept": "application/json", "Cookie": sent}
        try:
            async with self._turns.turn(lane):
                status, body = await self._get(
                    self._url, headers, max_bytes=MAX_ANSWER_BYTES, timeout_s=ANSWER_TIMEOUT_S
                )
            answer = self._admitted(read_viewer(status, body, self._path))
        except NoSlot:
            self._failed(key, FetchErrorReason.crowded)
            raise FetchError(FetchErrorReason.crowded) from None
        except Redirected as redirect:
            if not redirect.to_sign_in:
                remedy = (
                    "set SIDDES_TELEMETRY_AUTH_URL to where it leads: scheme, host and path just as the app has them"
                )
                self._warn_once("auth_url_redirects", status=redirect.status, remedy=remedy)
                self._failed(key, redirect.problem)
                raise
            answer = _Nobody(Refusal.session)
        except FetchError as failure:
            self._failed(key, failure.problem)
            raise
        self._remember(key, answer)
        return answer

    def _remember(self, key: bytes, answer: str | _Nobody) -> None:
        now = self._monotonic_s()
        if isinstance(answer, _Nobody):
            self._good.drop(key)
            self._refused.put(key, answer, until=now + BELIEVE_REFUSAL_S)
        else:
            self._good.put(key, _Good(answer, now, ask_at=now + BELIEVE_VIEWER_S), until=now + KNOWN_S)

    def _failed(self, key: bytes, problem: FetchErrorReason) -> None:
        self._metrics.introspection_failures[problem].inc()
        now = self._monotonic_s()
        if good := self._good.get(key, now):
            good.ask_at = now + ASK_AGAIN_S

    def _admitted(self, value: object) -> str | _Nobody:
        if value is FieldAbsent.VALUE:
            remedy = "let SIDDES_TELEMETRY_AUTH_FIELD name a field of the app's answer"
            self._warn_once("auth_field_missing", field=self._field, remedy=remedy)
            return _Nobody(Refusal.session)
        if value in NO_VIEWER:
            return _Nobody(Refusal.session)
        viewer_id = self._viewers.viewer_id(value)
        if viewer_id is None:
            remedy = (
                "let SIDDES_TELEMETRY_AUTH_FIELD name a field that holds a viewer id as docs/operations.md has it; "
                "e-mail addresses and other texts need SIDDES_TELEMETRY_VIEWER_KEY"
            )
            self._warn_once("auth_field_unusable", field=self._field, remedy=remedy)
            return _Nobody(Refusal.subject_form)
        return viewer_id

    def _warn_once(self, event: str, **said: object) -> None:
        """By our own words and the operator's: in what the app answers may stand whose session it is."""
        if event not in self._warned:
            self._warned.add(event)
            log.warning(event, **said)
