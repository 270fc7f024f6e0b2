"""Session introspection: the app's who-am-I endpoint is asked whose session a cookie is, and its answer is cached.

    cached answer              state     a request with that cookie
    a viewer, up to 30 s old   fresh     gets the viewer
    a viewer, up to 90 s old   stale     gets the viewer; the app is asked in the background (stale-while-revalidate)
    a viewer, up to 15 min     known     waits for the app, before unknown sessions
    no viewer, up to 5 s old   refused   is refused
    none, or older             unknown   waits for the app

    event                                  next
    the app names a viewer                 fresh
    the app says that nobody is signed in  refused
    no answer to the question              the same; a stale one is not revalidated again for 2 s

docs/deployment.md says what the app must answer.
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
from siddes_telemetry.web.auth.introspection_response import NO_VIEWER, FieldAbsent, leads_to_sign_in, read_viewer
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.request_headers import SessionCookie
from siddes_telemetry.web.auth.single_flight import SingleFlight
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy

FRESH_S = 30.0
STALE_S = 60.0  # after FRESH_S: together, how long somebody who signed out may be counted
REVALIDATE_RETRY_S = 2.0  # after a revalidation without an answer
KNOWN_S = 900.0  # longer than people pause between two actions
REFUSED_S = 5.0  # short: somebody who has just signed in waits for it
REQUEST_TIMEOUT_S = 2.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_CONCURRENT_REQUESTS = 64  # so that we do not overload the app
RESERVED_FOR_KNOWN = 8  # of these: made-up cookies may take the app longer than valid ones
SLOT_TIMEOUT_S = 2.0
MAX_WAITING = 4096  # for each priority: more than an app that answers in 30 ms serves within the time-out
MAX_REMEMBERED = 20_000  # viewers, about 8 MB, and as many refusals

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Viewer:
    viewer_id: str = field(repr=False)
    answered_at: float
    revalidate_at: float


@dataclass(frozen=True, slots=True)
class _NoViewer:
    reason: Refusal


class Introspection:
    """Asks the app about sessions. Sends only the session's cookie, only to this URL, once at a time for a cookie."""

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
        self._known: ExpiringCache[_Viewer] = ExpiringCache(capacity)
        # A cache of its own: made-up cookies must not evict viewers.
        self._refused: ExpiringCache[_NoViewer] = ExpiringCache(capacity)
        self._limiter = ConcurrencyLimiter(
            MAX_CONCURRENT_REQUESTS, reserved=RESERVED_FOR_KNOWN, max_waiting=MAX_WAITING, wait_s=SLOT_TIMEOUT_S
        )
        self._requests: SingleFlight[bytes, str | _NoViewer] = SingleFlight()
        self._warned: set[str] = set()

    async def viewer(self, cookie: SessionCookie) -> str:
        """The viewer of this session. Raises Refused (session or subject_form) and AuthenticationUnavailable."""
        if not cookie.can_be_sent:
            raise Refused(Refusal.session)
        key = digest(cookie.sent)
        now = self._monotonic_s()
        known = self._known.get(key, now)
        if known is not None and now < known.answered_at + FRESH_S + STALE_S:
            self._metrics.cache_hits[Cache.introspection].inc()
            if now >= known.revalidate_at:
                self._requests.start(key, partial(self._ask, key, cookie.sent, Priority.KNOWN))
            return known.viewer_id
        refused = self._refused.get(key, now) if known is None else None
        if refused is not None:
            self._metrics.cache_hits[Cache.introspection].inc()
            raise Refused(refused.reason)
        priority = Priority.UNKNOWN if known is None else Priority.KNOWN
        try:
            answer = await self._requests.result(key, partial(self._ask, key, cookie.sent, priority))
        except FetchError:
            raise AuthenticationUnavailable from None  # _ask has counted it, once for all that wait
        if isinstance(answer, _NoViewer):
            raise Refused(answer.reason)
        return answer

    async def close(self) -> None:
        await self._requests.close()

    async def _ask(self, key: bytes, sent: str, priority: Priority) -> str | _NoViewer:
        headers = {"Accept": "application/json", "Cookie": sent}
        try:
            async with self._limiter.slot(priority):
                status, body = await self._get(
                    self._url, headers, max_bytes=MAX_RESPONSE_BYTES, timeout_s=REQUEST_TIMEOUT_S
                )
            answer = self._checked(read_viewer(status, body, self._path))
        except NoSlot:
            self._count_failure(key, FetchErrorReason.crowded)
            raise FetchError(FetchErrorReason.crowded) from None
        except Redirected as redirect:
            if not leads_to_sign_in(redirect.status, self._url, redirect.location):
                remedy = (
                    "set SIDDES_TELEMETRY_AUTH_URL to where it leads: scheme, host and path just as the app has them"
                )
                self._warn_once("auth_url_redirects", status=redirect.status, remedy=remedy)
                self._count_failure(key, redirect.reason)
                raise
            answer = _NoViewer(Refusal.session)
        except FetchError as failure:
            self._count_failure(key, failure.reason)
            raise
        self._remember(key, answer)
        return answer

    def _remember(self, key: bytes, answer: str | _NoViewer) -> None:
        now = self._monotonic_s()
        if isinstance(answer, _NoViewer):
            self._known.drop(key)
            self._refused.put(key, answer, until=now + REFUSED_S)
        else:
            self._known.put(key, _Viewer(answer, now, revalidate_at=now + FRESH_S), until=now + KNOWN_S)

    def _count_failure(self, key: bytes, reason: FetchErrorReason) -> None:
        self._metrics.introspection_failures[reason].inc()
        now = self._monotonic_s()
        if known := self._known.get(key, now):
            known.revalidate_at = now + REVALIDATE_RETRY_S

    def _checked(self, value: object) -> str | _NoViewer:
        """The viewer id that the response names, if it may be used."""
        if value is FieldAbsent.VALUE:
            remedy = "let SIDDES_TELEMETRY_AUTH_FIELD name a field of the app's answer"
            self._warn_once("auth_field_missing", field=self._field, remedy=remedy)
            return _NoViewer(Refusal.session)
        if value in NO_VIEWER:
            return _NoViewer(Refusal.session)
        viewer_id = self._viewers.viewer_id(value)
        if viewer_id is None:
            remedy = (
                "let SIDDES_TELEMETRY_AUTH_FIELD name a field that holds a viewer id as docs/deployment.md has it; "
                "e-mail addresses and other texts need SIDDES_TELEMETRY_VIEWER_KEY"
            )
            self._warn_once("auth_field_unusable", field=self._field, remedy=remedy)
            return _NoViewer(Refusal.subject_form)
        return viewer_id

    def _warn_once(self, event: str, **details: object) -> None:
        """`details` hold nothing of the app's answer, which may say whose session it is."""
        if event not in self._warned:
            self._warned.add(event)
            log.warning(event, **details)
