"""The authenticator: the order in which a request's credentials are tried, and what answers 401 or 503.

    credential        if present
    Bearer token      decides alone: if it is invalid, nothing else is tried
    session cookie    a valid JWT decides; otherwise the app is asked, if AUTH_URL is set
    dev viewer        in debug only, never under /api/auth/: the header decides; without it the cookie

    result                                          answer
    one is valid                                    the viewer
    all are refused                                 401 (NoViewer), with the reason of the one that came furthest
    the keys for a token may be outdated            503 with Retry-After (KeyRefreshPending)
    the keys or the app cannot be reached           503 (AuthenticationUnavailable)

If a token in a cookie cannot be verified now, the app is asked too. Its answer counts if it names a viewer; if it
refuses, the answer is 503 all the same, because the token may be valid.

An Authorization header of another scheme, such as a proxy's Basic, is ignored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Self

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.viewer import DEV_VIEWER_COOKIE
from siddes_telemetry.web.auth.http_client import AuthenticationUnavailable
from siddes_telemetry.web.auth.introspection import Introspection
from siddes_telemetry.web.auth.metrics import AuthMetrics, Method, Outcome
from siddes_telemetry.web.auth.refusals import Refusal, Refused, most_telling
from siddes_telemetry.web.auth.request_headers import (
    SessionCookie,
    bearer_token,
    cookie_value,
    session_cookie,
    session_value,
    unquoted,
)
from siddes_telemetry.web.auth.tokens import TokenVerifier, looks_like_jwt
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from siddes_telemetry.web.credentials import Credentials, Identity, KeyRefreshPending, NoViewer


class ViewerAuthenticator:
    """An Authenticator. Holds connections: close it, or use it as an async context manager."""

    def __init__(
        self,
        *,
        tokens: TokenVerifier | None,
        introspection: Introspection | None,
        session_cookie: str,
        viewers: ViewerPolicy,
        dev_viewer: bool,
        metrics: AuthMetrics,
        starters: Sequence[Callable[[], None]] = (),
        closers: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._tokens = tokens
        self._introspection = introspection
        self._session_cookie = session_cookie
        self._viewers = viewers
        self._dev_viewer = dev_viewer
        self._attempts = metrics.attempts
        self._refusals = metrics.refusals
        self._buffered = metrics.buffered
        self._cookies_known = metrics.attempts[Method.cookie_jwt, Outcome.ok]
        self._bearers_known = metrics.attempts[Method.bearer, Outcome.ok]
        self._starters = starters
        self._closers = closers

    def cached_identity(self, authorization: str | None, cookie: str | None) -> Identity | None:
        """The hot path: the identity of a token in the cache. Tries credentials in the order of `_identified`."""
        if self._tokens is None:
            return None
        token = bearer_token(authorization)
        by_cookie = token is None
        if token is None:
            token = session_value(cookie, self._session_cookie)
            if token is None:
                return None
            token = unquoted(token)
        known = self._tokens.cached_identity(token, by_cookie=by_cookie)
        if known is not None:
            self._buffered.increment(self._cookies_known if by_cookie else self._bearers_known)
        return known

    async def identify(self, credentials: Credentials) -> Identity:
        """The viewer. Raises NoViewer, KeyRefreshPending, or ApiError unavailable."""
        try:
            return await self._identified(credentials)
        except AuthenticationUnavailable:
            raise ApiError(ErrorCode.unavailable) from None
        except Refused as refused:
            self._refusals[refused.reason].inc()
            raise NoViewer(refused.reason) from None

    def start(self) -> None:
        """Begin to load what can be loaded before a request needs it. Needs a running loop; does not wait."""
        for start in self._starters:
            start()

    async def close(self) -> None:
        """Cancel requests under way and close connections."""
        for close in self._closers:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _identified(self, credentials: Credentials) -> Identity:
        token = bearer_token(credentials.authorization)
        if token is not None:
            return Identity(await self._counted(Method.bearer, self._token_viewer(token)), by_cookie=False)
        reason = Refusal.no_credentials
        session = session_cookie(credentials.cookie, self._session_cookie)
        if session is not None:
            try:
                return Identity(await self._session_viewer(session), by_cookie=True)
            except Refused as refused:
                reason = refused.reason
        if self._dev_viewer and credentials.allow_dev_viewer:
            return self._dev_identity(credentials, reason)
        raise Refused(reason)

    async def _token_viewer(self, token: str) -> str:
        if self._tokens is None:
            raise Refused(Refusal.algorithm if looks_like_jwt(token) else Refusal.not_a_token)
        return await self._tokens.viewer_id(token)

    async def _session_viewer(self, cookie: SessionCookie) -> str:
        token = unquoted(cookie.value)
        if self._introspection is None:
            return await self._counted(Method.cookie_jwt, self._token_viewer(token))
        reason = Refusal.no_credentials
        if self._tokens is not None and looks_like_jwt(token):
            try:
                return await self._counted(Method.cookie_jwt, self._tokens.viewer_id(token))
            except Refused as refused:
                reason = refused.reason
            except (AuthenticationUnavailable, KeyRefreshPending):
                with suppress(Refused):
                    return await self._app_viewer(self._introspection, cookie)
                raise
        try:
            return await self._app_viewer(self._introspection, cookie)
        except Refused as refused:
            raise Refused(most_telling(reason, refused.reason)) from None

    async def _app_viewer(self, introspection: Introspection, cookie: SessionCookie) -> str:
        return await self._counted(Method.introspection, introspection.viewer(cookie))

    def _dev_identity(self, credentials: Credentials, otherwise: Refusal) -> Identity:
        """The dev viewer. Raises Refused, with the reason `otherwise` if none was sent."""
        by_cookie = not credentials.dev_viewer
        sent = cookie_value(credentials.cookie, DEV_VIEWER_COOKIE) if by_cookie else credentials.dev_viewer
        if sent is None:
            raise Refused(otherwise)
        viewer_id = self._viewers.viewer_id(unquoted(sent))
        self._attempts[Method.dev, Outcome.refused if viewer_id is None else Outcome.ok].inc()
        if viewer_id is None:
            raise Refused(most_telling(otherwise, Refusal.subject_form))
        return Identity(viewer_id, by_cookie=by_cookie)

    async def _counted(self, method: Method, attempt: Awaitable[str]) -> str:
        try:
            viewer_id = await attempt
        except (Refused, AuthenticationUnavailable, KeyRefreshPending) as failure:
            self._attempts[method, _outcome(failure)].inc()
            raise
        self._attempts[method, Outcome.ok].inc()
        return viewer_id


def _outcome(failure: Refused | AuthenticationUnavailable | KeyRefreshPending) -> Outcome:
    match failure:
        case Refused():
            return Outcome.refused
        case KeyRefreshPending():
            return Outcome.key_pending
        case _:
            return Outcome.unavailable
