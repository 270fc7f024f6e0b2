"""The door to a service's routes: every check that comes before a request's content, in the documented order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

import structlog
from aiohttp import hdrs
from multidict import CIMultiDictProxy, istr

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.viewer import DEV_VIEWER_HEADER
from siddes_telemetry.web import request_body
from siddes_telemetry.web.aiohttp_internals import HttpVersion10, HttpVersion11, RawRequestMessage
from siddes_telemetry.web.auth.request_headers import joined_cookies
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.credentials import Authenticator, Credentials, Identity, KeyRefreshPending, NoViewer
from siddes_telemetry.web.cross_site import is_cross_site
from siddes_telemetry.web.incoming_request import IncomingRequest
from siddes_telemetry.web.logs import code_location
from siddes_telemetry.web.loopback import names_loopback
from siddes_telemetry.web.metrics import UNMATCHED, HttpMetrics, method_label
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.reply_future import AnyReplyFuture, ReplyFuture
from siddes_telemetry.web.request_id import RequestIds
from siddes_telemetry.web.response_encoding import EncodedResponse, encode_response
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess
from siddes_telemetry.web.unidentified_requests import MAX_UNIDENTIFIED_BYTES, UnidentifiedRequests

TELEMETRY_PATH = "/api/telemetry"  # what the kill switch closes, with all below it
AUTH_PATH = "/api/auth/"  # where the dev viewer never applies
RETRY_AFTER_S = (1, 5)  # for 503s: spread, so that clients do not come back all at once

_REQUEST_ID = istr("X-Request-Id")
_DEV_VIEWER = istr(DEV_VIEWER_HEADER)
_FETCH_SITE = istr("Sec-Fetch-Site")
_VERSIONS = (HttpVersion11, HttpVersion10)

log = structlog.get_logger(__name__)


@dataclass(slots=True, repr=False)  # not frozen: one for each request; without a repr: it holds what was sent
class RequestContext:
    """A request on its way to its answer. `methods`: what its path offers. `is_key_pending`: its 503 is no failure."""

    incoming: IncomingRequest
    started_s: float
    request_id: str
    path: str
    query: str
    methods: Mapping[str, Route]
    is_key_pending: bool = False


class RequestPipeline:
    """Answers requests by the route they fit. An App (see connection.py)."""

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
        """`limits` has one limiter for READ and another for WRITE; `enabled` false is the kill switch; `clock`
        gives monotonic seconds; `random` names requests and spreads retries. `loopback_only`: requests that name
        another host than this machine are refused. `log_requests`: a line at debug for every request, not only for
        our own errors. `max_unidentified_bytes`: see unidentified_requests.py."""
        self._paths = _by_path(routes)
        self._authenticator = authenticator
        self._limits = limits
        self._enabled = enabled
        self._cors = cors
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._loopback_only = loopback_only
        self._log_requests = log_requests
        self._request_ids = RequestIds(random)
        self._unidentified = UnidentifiedRequests(max_unidentified_bytes)

    def serve(self, incoming: IncomingRequest) -> None:
        path, query = incoming.message.path, ""
        if path not in self._paths:
            path, query = _split_target(incoming.message)
        ctx = RequestContext(
            incoming,
            self._clock(),
            self._request_ids.for_header(incoming.message.headers.get(_REQUEST_ID)),
            path,
            query,
            self._paths.get(path, _NO_METHODS),
        )
        self._metrics.started()
        try:
            outcome = self._respond(ctx)
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            outcome = self._failed(ctx, error)
        if isinstance(outcome, Response):
            self._answer(ctx, outcome)
        else:
            work = incoming.work = outcome if isinstance(outcome, ReplyFuture) else asyncio.ensure_future(outcome)
            work.add_done_callback(partial(self._settled, ctx))

    def refuse(self, code: ErrorCode) -> EncodedResponse:
        request_id = self._request_ids.new()
        response = self._refusal(ApiError(code), _NO_METHODS)
        self._count_and_log(UNMATCHED, "", response.status, request_id, 0.0)
        return encode_response(response, request_id)

    def _respond(self, ctx: RequestContext) -> Response | Awaitable[Response]:
        """The answer, or what it waits for. Where nothing of a request is still to come, its handler is asked now."""
        incoming = ctx.incoming
        message = incoming.message
        headers = message.headers
        path = ctx.path
        if self._loopback_only and not _names_loopback(message):
            raise ApiError(ErrorCode.forbidden_origin)
        if not self._enabled and (path == TELEMETRY_PATH or path.startswith(TELEMETRY_PATH + "/")):
            raise ApiError(ErrorCode.telemetry_disabled)
        origin = headers.get(hdrs.ORIGIN)
        if message.method == hdrs.METH_OPTIONS and origin is not None and hdrs.ACCESS_CONTROL_REQUEST_METHOD in headers:
            return self._cors.preflight(origin)
        _insist_on_http(message)
        if not ctx.methods:
            raise ApiError(ErrorCode.not_found)
        route = ctx.methods.get(message.method)
        if route is None:
            raise ApiError(ErrorCode.method_not_allowed)
        identity = _ANYBODY
        if route.access is not RouteAccess.PUBLIC:
            known = self._authenticator.cached_identity(headers.get(hdrs.AUTHORIZATION), _cookies(headers))
            if known is None:
                return self._identify_then_call(ctx, route)
            identity = known
            self._check_viewer(identity, route, headers)
        if route.method != hdrs.METH_POST:
            return self._call_handler(ctx, route, identity, b"")
        compressed = _check_content(headers)
        if not incoming.payload.is_eof():
            return self._read_then_call(ctx, route, identity, compressed=compressed)
        content = request_body.read_arrived(incoming.payload, route.max_body_bytes)
        return self._call_handler(ctx, route, identity, _inflated(content, route) if compressed else content)

    async def _identify_then_call(self, ctx: RequestContext, route: Route) -> Response:
        headers = ctx.incoming.message.headers
        credentials = Credentials(
            authorization=headers.get(hdrs.AUTHORIZATION),
            cookie=_cookies(headers),
            dev_viewer=headers.get(_DEV_VIEWER),
            allow_dev_viewer=not ctx.path.startswith(AUTH_PATH),
        )
        async with self._unidentified.waiting(ctx.incoming.message):
            identity = await self._authenticator.identify(credentials)
        self._check_viewer(identity, route, headers)
        if route.method != hdrs.METH_POST:
            return await _awaited(self._call_handler(ctx, route, identity, b""))
        return await self._read_then_call(ctx, route, identity, compressed=_check_content(headers))

    async def _read_then_call(
        self, ctx: RequestContext, route: Route, identity: Identity, *, compressed: bool
    ) -> Response:
        incoming = ctx.incoming
        headers = incoming.message.headers
        if int(headers.get(hdrs.CONTENT_LENGTH, 0)) > route.max_body_bytes:
            raise ApiError(ErrorCode.too_large)
        if hdrs.EXPECT in headers:
            incoming.invite_body()
        content = await request_body.read(incoming.payload, route.max_body_bytes)
        return await _awaited(
            self._call_handler(ctx, route, identity, _inflated(content, route) if compressed else content)
        )

    def _call_handler(
        self, ctx: RequestContext, route: Route, identity: Identity, content: bytes
    ) -> Response | Awaitable[Response]:
        if_none_match = ctx.incoming.message.headers.get(hdrs.IF_NONE_MATCH)
        return route.handler(Request(identity.viewer_id, ctx.query, if_none_match, content))

    def _check_viewer(self, identity: Identity, route: Route, headers: CIMultiDictProxy[str]) -> None:
        """What is checked as soon as it is known who asks. Raises ApiError forbidden_origin or rate_limited."""
        if (
            identity.by_cookie
            and route.access is RouteAccess.WRITE
            and is_cross_site(
                headers.get(hdrs.ORIGIN), headers.get(_FETCH_SITE), headers.get(hdrs.HOST), self._cors.origins
            )
        ):
            raise ApiError(ErrorCode.forbidden_origin)
        if wait_s := self._limits[route.access].wait_s(identity.viewer_id):
            raise ApiError(ErrorCode.rate_limited, retry_after_s=wait_s)

    def _settled(self, ctx: RequestContext, work: AnyReplyFuture[Response]) -> None:
        """What the answer waited for is there."""
        if work.cancelled():
            self._metrics.cut_off()
            self._metrics.ended()
            ctx.incoming.answer(None)
            return
        error = work.exception()
        try:
            self._answer(ctx, work.result() if error is None else self._failed(ctx, error))
        except Exception as defect:  # noqa: BLE001 - nobody else would answer the client
            place = code_location(defect)
            log.error("answer_failed", request_id=ctx.request_id, error=type(defect).__name__, at=place)
            ctx.incoming.answer(self.refuse(ErrorCode.internal))

    def _answer(self, ctx: RequestContext, response: Response) -> None:
        incoming = ctx.incoming
        message = incoming.message
        self._metrics.ended()
        route = ctx.methods.get(message.method)
        name = UNMATCHED if route is None else route.name
        seconds = self._clock() - ctx.started_s
        quiet = ctx.is_key_pending
        self._count_and_log(name, message.method, response.status, ctx.request_id, seconds, quiet=quiet)
        cors_lines = self._cors.header_lines(message.headers.get(hdrs.ORIGIN))
        with_body = message.method != hdrs.METH_HEAD
        incoming.answer(encode_response(response, ctx.request_id, cors_lines, with_body=with_body))

    def _failed(self, ctx: RequestContext, error: BaseException) -> Response:
        """The answer to a refusal, or to a defect: that must not cost the client its answer."""
        if isinstance(error, ApiError):
            if isinstance(error, NoViewer):
                log.debug("no_viewer", request_id=ctx.request_id, reason=error.reason)
            ctx.is_key_pending = isinstance(error, KeyRefreshPending)
            return self._refusal(error, ctx.methods)
        place = code_location(error)
        log.error("handler_failed", request_id=ctx.request_id, error=type(error).__name__, at=place)
        return self._refusal(ApiError(ErrorCode.internal), ctx.methods)

    def _refusal(self, error: ApiError, methods: Mapping[str, Route]) -> Response:
        code = error.code
        if isinstance(error, KeyRefreshPending):
            self._metrics.key_pending()
        else:
            self._metrics.failed(code)
        headers: tuple[tuple[str, str], ...] = ()
        if code is ErrorCode.method_not_allowed:
            headers = (("Allow", ", ".join(methods)),)
        wait_s = error.retry_after_s
        if wait_s is None and code.retry_after:
            wait_s = self._random.randint(*RETRY_AFTER_S)
        if wait_s is not None:
            headers = (("Retry-After", str(wait_s)),)
        return Response(code.body, code.status, headers)

    def _count_and_log(
        self, route: str, method: str, status: int, request_id: str, seconds: float, *, quiet: bool = False
    ) -> None:
        """Count an answer, and log it where it is an error of ours, unless it is to be `quiet`."""
        label = method_label(method)
        self._metrics.answered(route, label, status, seconds)
        is_ours = status >= ErrorCode.internal.status and not quiet
        if is_ours or self._log_requests:
            ms = round(seconds * 1000, 1)
            line = log.warning if is_ours else log.debug
            line("request", request_id=request_id, route=route, method=label, status=status, ms=ms)


_NO_METHODS: Mapping[str, Route] = {}
_ANYBODY = Identity("", by_cookie=False)


def _by_path(routes: Iterable[Route]) -> dict[str, dict[str, Route]]:
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        methods[route.method] = route
        if route.method == hdrs.METH_GET:
            methods[hdrs.METH_HEAD] = route  # the same answer without its body (RFC 9110, 9.3.2)
    return paths


def _split_target(message: RawRequestMessage) -> tuple[str, str]:
    """Path and query as sent. A proxy's absolute form counts as its path (RFC 9112, 3.2.2)."""
    target = message.path
    if _is_absolute(target):
        return message.url.raw_path, message.url.raw_query_string
    path, _, query = target.partition("?")
    return path, query


def _is_absolute(target: str) -> bool:
    return not target.startswith("/") and "://" in target


def _names_loopback(message: RawRequestMessage) -> bool:
    """Whether Host does, and the target where it names a host too: which of them counts is not always agreed on."""
    if _is_absolute(message.path) and not names_loopback(message.url.raw_authority):
        return False
    return names_loopback(message.headers.get(hdrs.HOST))


def _insist_on_http(message: RawRequestMessage) -> None:
    """What the parser lets pass and we do not understand. Raises ApiError bad_request."""
    headers = message.headers
    if message.version not in _VERSIONS:
        raise ApiError(ErrorCode.bad_request)
    if hdrs.EXPECT in headers and headers[hdrs.EXPECT].lower() != "100-continue":
        raise ApiError(ErrorCode.bad_request)
    if hdrs.TRANSFER_ENCODING in headers and headers[hdrs.TRANSFER_ENCODING].lower() != "chunked":
        raise ApiError(ErrorCode.bad_request)


def _cookies(headers: CIMultiDictProxy[str]) -> str | None:
    """All of the Cookie lines; most requests have none or one."""
    return joined_cookies(headers.getall(hdrs.COOKIE)) if hdrs.COOKIE in headers else None


def _check_content(headers: CIMultiDictProxy[str]) -> bool:
    """Judge a body's encoding and type. Whether it is compressed."""
    compressed = request_body.is_gzip(headers.getall(hdrs.CONTENT_ENCODING, ()))
    request_body.check_type(headers.get(hdrs.CONTENT_TYPE))
    return compressed


def _inflated(content: bytes, route: Route) -> bytes:
    return request_body.gunzip(content, route.max_body_bytes, route.broken_body)


async def _awaited(outcome: Response | Awaitable[Response]) -> Response:
    return outcome if isinstance(outcome, Response) else await outcome
