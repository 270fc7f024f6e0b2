"""Session introspection: the app's own "who am I" is asked with the session cookie, and believed for a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.http_get import FetchFailed, FetchProblem, Get, Unanswered
from siddes_telemetry.web.auth.metrics import AuthMetrics, Cache
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.request_headers import is_cookie_value
from siddes_telemetry.web.auth.single_flight import Crowded, SingleFlight
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy

BELIEVE_VIEWER_S = 30.0  # how long somebody who signed out may still be counted
BELIEVE_REFUSAL_S = 5.0  # short: somebody who has just signed in waits for it
ANSWER_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_OPEN_QUESTIONS = 64  # the app must not drown in ours
MAX_REMEMBERED = 20_000  # sessions, about 8 MB

_NOBODY = (None, False, "")  # what an app may put where it names nobody


@dataclass(frozen=True, slots=True)
class _Answer:
    viewer_id: str | None = field(repr=False)  # None: refused
    named_nobody: bool  # else somebody who can be no viewer


class Introspection:
    """Asks at most once at a time about one cookie, and sends nothing but that cookie, to that URL only."""

    def __init__(
        self,
        url: str,
        field_path: str,
        cookie_name: str,
        viewers: ViewerPolicy,
        *,
        get: Get,
        monotonic_s: Callable[[], float],
        metrics: AuthMetrics,
        capacity: int = MAX_REMEMBERED,
    ) -> None:
        self._url = url
        self._path = tuple(field_path.split("."))
        self._cookie_name = cookie_name
        self._viewers = viewers
        self._get = get
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._remembered: ExpiringCache[_Answer] = ExpiringCache(capacity)
        self._questions: SingleFlight[bytes, _Answer] = SingleFlight(MAX_OPEN_QUESTIONS)

    async def viewer(self, cookie: str) -> str | None:
        """Whose session this is, or None.

        Raises Unanswered, and Refused where the app names somebody who can be no viewer.
        """
        if not is_cookie_value(cookie):
            return None
        key = digest(cookie)
        answer = self._remembered.get(key, self._monotonic_s())
        if answer is not None:
            self._metrics.cache_hits[Cache.introspection].inc()
            return _viewer_of(answer)
        try:
            return _viewer_of(await self._questions.ask(key, lambda: self._question(key, cookie)))
        except Crowded:
            self._metrics.introspection_failures[FetchProblem.crowded].inc()
        except FetchFailed:
            pass  # counted where it was asked, once for all who wait
        raise Unanswered

    async def close(self) -> None:
        await self._questions.close()

    async def _question(self, key: bytes, cookie: str) -> _Answer:
        headers = {"Accept": "application/json", "Cookie": f"{self._cookie_name}={cookie}"}
        try:
            status, body = await self._get(self._url, headers, max_bytes=MAX_ANSWER_BYTES, timeout_s=ANSWER_TIMEOUT_S)
            named = read_viewer(status, body, self._path)
            answer = _Answer(self._viewers.admitted(named), named_nobody=named in _NOBODY)
        except FetchFailed as failure:
            self._metrics.introspection_failures[failure.problem].inc()
            raise
        believe_s = BELIEVE_REFUSAL_S if answer.viewer_id is None else BELIEVE_VIEWER_S
        self._remembered.put(key, answer, until=self._monotonic_s() + believe_s)
        return answer


def _viewer_of(answer: _Answer) -> str | None:
    if answer.viewer_id is None and not answer.named_nobody:
        raise Refused(Refusal.subject_form)
    return answer.viewer_id


def read_viewer(status: int, body: bytes, path: tuple[str, ...]) -> object:
    """What the app's answer holds at the path: text, or a number as its JSON text; None where nobody is signed in.

    What is neither (true, an object) is returned as it is, and is no viewer id. Raises FetchFailed where the app
    said neither who it is nor that it is nobody.
    """
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return None
    if status != HTTPStatus.OK:
        raise FetchFailed(FetchProblem.status)
    try:
        value: object = json.loads(body, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FetchFailed(FetchProblem.content) from None
    if not isinstance(value, dict):
        raise FetchFailed(FetchProblem.content)
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _refuse(constant: str) -> object:  # noqa: ARG001  # NaN and the infinities: not JSON, whichever it is
    raise ValueError
