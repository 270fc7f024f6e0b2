"""The way of a request through both HTTP services: the checks, in the documented order, and then its handler.

     check                                        applies to                      refusal
 1   Host names this machine                      all, in debug mode              403 forbidden_origin
 2   kill switch                                  /api/telemetry and below        404 telemetry_disabled
 3   CORS preflight (answered here)               OPTIONS with Origin             403 forbidden_origin
 4   HTTP version, Expect, Transfer-Encoding      all                             400 bad_request
 5   path                                         all                             404 not_found
 6   method                                       all                             405 method_not_allowed
 7   authentication                               all but public routes           401 no_viewer, 503 unavailable
 8   cross-site request                           writes with a cookie            403 forbidden_origin
 9   rate limit of the viewer                     all but public routes           429 rate_limited
10   Content-Encoding, Content-Type               POST                            415 unsupported_type
11   size of the body                             POST                            413 too_large
12   decompression                                POST with gzip                  413, or the route's `broken_body`

The checks run in the event loop iteration in which the request's head arrives, without a task, as long as none has to
wait. A task is needed if authentication has to ask (7) or the body is still arriving (11); the same checks follow there
in the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from random import Random

from aiohttp import hdrs
from multidict import CIMultiDictProxy, istr

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web import request_body
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.credentials import Authenticator, Credentials, Identity
from siddes_telemetry.web.cross_site import is_cross_site
from siddes_telemetry.web.error_responses import ErrorResponses
from siddes_telemetry.web.incoming_request import IncomingRequest
from siddes_telemetry.web.message_checks import addresses_loopback, check_content, check_http, cookies, split_target
from siddes_telemetry.web.metrics import HttpMetrics
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.reply_future import ReplyFuture
from siddes_telemetry.web.request_context import RequestContext
from siddes_telemetry.web.request_id import RequestIds
from siddes_telemetry.web.response_encoding import EncodedResponse
from siddes_telemetry.web.response_sender import ResponseSender
from siddes_telemetry.web.routing import NO_METHODS, Request, Response, Route, RouteAccess, routes_by_path
from siddes_telemetry.web.unidentified_requests import MAX_UNIDENTIFIED_BYTES, UnidentifiedRequests

TELEMETRY_PATH = "/api/telemetry"  # closed by the kill switch, with all paths below it
AUTH_PATH = "/api/auth/"  # the dev viewer does not apply below it

_REQUEST_ID = istr("X-Request-Id")
_DEV_VIEWER = istr("X-Sd-Viewer")
_FETCH_SITE = istr("Sec-Fetch-Site")
_ANYBODY = Identity("", by_cookie=False)


class RequestPipeline:
    """Checks requests and calls the handlers of their routes. An App (see incoming_request.py)."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        authenticator: Authenticator,
        limits: Mapping[RouteAccess, RateLimiter],
        enabled: bool,
        cors: CorsPolicy,
        metrics: HttpMetrics,
        clock: Callable[[], float],
        random: Random,
        loopback_only: bool = False,
        log_requests: bool = False,
        max_unidentified_bytes: int = MAX_UNIDENTIFIED_BYTES,
    ) -> None:
        """`limits` has a limiter for READ and another for WRITE; `enabled` false is the kill switch; `clock` gives
        monotonic seconds; `random` makes request ids and spreads retries. `loopback_only`: requests whose Host is not
        this machine are refused. `log_requests`: log every request at debug level, not only our own errors.
        `max_unidentified_bytes`: see unidentified_requests.py.
        """
        self._paths = routes_by_path(routes)
        self._authenticator = authenticator
        self._limits = limits
        self._enabled = enabled
        self._cors = cors
        self._metrics = metrics
        self._clock = clock
        self._loopback_only = loopback_only
        self._request_ids = RequestIds(random)
        self._errors = ErrorResponses(metrics, random)
        self._sender = ResponseSender(
            errors=self._errors,
            cors=cors,
            metrics=metrics,
            request_ids=self._request_ids,
            clock=clock,
            log_requests=log_requests,
        )
        self._unidentified = UnidentifiedRequests(max_unidentified_bytes)

    def serve(self, incoming: IncomingRequest) -> None:
        path, query = incoming.message.path, ""
        if path not in self._paths:
            path, query = split_target(incoming.message)
        ctx = RequestContext(
            incoming,
            self._clock(),
            self._request_ids.for_header(incoming.message.headers.get(_REQUEST_ID)),
            path,
            query,
            self._paths.get(path, NO_METHODS),
        )
        self._metrics.started()
        try:
            outcome = self._respond(ctx)
        except Exception as error:  # noqa: BLE001 - each becomes a response
            outcome = self._errors.for_exception(ctx, error)
        if isinstance(outcome, Response):
            self._sender.send(ctx, outcome)
        else:
            work = incoming.work = outcome if isinstance(outcome, ReplyFuture) else asyncio.ensure_future(outcome)
            work.add_done_callback(partial(self._sender.send_result, ctx))

    def refuse(self, code: ErrorCode) -> EncodedResponse:
        return self._sender.encode_error(code)

    def _respond(self, ctx: RequestContext) -> Response | Awaitable[Response]:
        """Run the checks and the handler: the response, or an awaitable where one of them has to wait."""
        incoming = ctx.incoming
        message = incoming.message
        headers = message.headers
        path = ctx.path
        # 1  Host
        if self._loopback_only and not addresses_loopback(message):
            raise ApiError(ErrorCode.forbidden_origin)
        # 2  kill switch
        if not self._enabled and (path == TELEMETRY_PATH or path.startswith(TELEMETRY_PATH + "/")):
            raise ApiError(ErrorCode.telemetry_disabled)
        # 3  preflight
        origin = headers.get(hdrs.ORIGIN)
        if message.method == hdrs.METH_OPTIONS and origin is not None and hdrs.ACCESS_CONTROL_REQUEST_METHOD in headers:
            return self._cors.preflight(origin)
        # 4  HTTP
        check_http(message)
        # 5  path
        if not ctx.methods:
            raise ApiError(ErrorCode.not_found)
        # 6  method
        route = ctx.methods.get(message.method)
        if route is None:
            raise ApiError(ErrorCode.method_not_allowed)
        # 7  authentication
        identity = _ANYBODY
        if route.access is not RouteAccess.PUBLIC:
            known = self._authenticator.cached_identity(headers.get(hdrs.AUTHORIZATION), cookies(headers))
            if known is None:
                return self._respond_after_identification(ctx, route)
            identity = known
            # 8, 9  cross-site request, rate limit
            self._check_viewer(identity, route, headers)
        if route.method != hdrs.METH_POST:
            return self._call_handler(ctx, route, identity, b"")
        # 10  encoding and type
        compressed = check_content(headers)
        # 11  size
        if not incoming.payload.is_eof():
            return self._respond_after_body(ctx, route, identity, compressed=compressed)
        content = request_body.read_arrived(incoming.payload, route.max_body_bytes)
        # 12  decompression, and the handler
        return self._call_handler(ctx, route, identity, _gunzipped(content, route) if compressed else content)

    async def _respond_after_identification(self, ctx: RequestContext, route: Route) -> Response:
        """Checks 7 to 12, where authentication has to ask."""
        headers = ctx.incoming.message.headers
        credentials = Credentials(
            authorization=headers.get(hdrs.AUTHORIZATION),
            cookie=cookies(headers),
            dev_viewer=headers.get(_DEV_VIEWER),
            allow_dev_viewer=not ctx.path.startswith(AUTH_PATH),
        )
        async with self._unidentified.waiting(ctx.incoming.message):
            identity = await self._authenticator.identify(credentials)
        self._check_viewer(identity, route, headers)
        if route.method != hdrs.METH_POST:
            return await _awaited(self._call_handler(ctx, route, identity, b""))
        return await self._respond_after_body(ctx, route, identity, compressed=check_content(headers))

    async def _respond_after_body(
        self, ctx: RequestContext, route: Route, identity: Identity, *, compressed: bool
    ) -> Response:
        """Checks 11 and 12, where the body may still be arriving."""
        incoming = ctx.incoming
        headers = incoming.message.headers
        if int(headers.get(hdrs.CONTENT_LENGTH, 0)) > route.max_body_bytes:
            raise ApiError(ErrorCode.too_large)
        if hdrs.EXPECT in headers:
            incoming.invite_body()
        content = await request_body.read(incoming.payload, route.max_body_bytes)
        return await _awaited(
            self._call_handler(ctx, route, identity, _gunzipped(content, route) if compressed else content)
        )

    def _check_viewer(self, identity: Identity, route: Route, headers: CIMultiDictProxy[str]) -> None:
        """Checks 8 and 9. Raises ApiError forbidden_origin or rate_limited."""
        if (
            identity.by_cookie
            and route.access is RouteAccess.WRITE
            and is_cross_site(
                headers.get(hdrs.ORIGIN), headers.get(_FETCH_SITE), headers.get(hdrs.HOST), self._cors.origins
            )
        ):
            raise ApiError(ErrorCode.forbidden_origin)
        self._limits[route.access].take(identity.viewer_id)

    def _call_handler(
        self, ctx: RequestContext, route: Route, identity: Identity, content: bytes
    ) -> Response | Awaitable[Response]:
        if_none_match = ctx.incoming.message.headers.get(hdrs.IF_NONE_MATCH)
        return route.handler(Request(identity.viewer_id, ctx.query, if_none_match, content))


def _gunzipped(content: bytes, route: Route) -> bytes:
    return request_body.gunzip(content, route.max_body_bytes, route.broken_body)


async def _awaited(outcome: Response | Awaitable[Response]) -> Response:
    return outcome if isinstance(outcome, Response) else await outcome
