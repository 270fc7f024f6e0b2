"""Sends the response of a request, and counts and logs it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import hdrs

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.error_responses import ErrorResponses
from siddes_telemetry.web.metrics import UNMATCHED, HttpMetrics, method_label
from siddes_telemetry.web.reply_future import AnyReplyFuture
from siddes_telemetry.web.request_context import RequestContext
from siddes_telemetry.web.request_id import RequestIds
from siddes_telemetry.web.response_encoding import EncodedResponse, encode_response
from siddes_telemetry.web.routing import Response

log = structlog.get_logger(__name__)


class ResponseSender:
    """The last step of every request."""

    def __init__(
        self,
        *,
        errors: ErrorResponses,
        cors: CorsPolicy,
        metrics: HttpMetrics,
        request_ids: RequestIds,
        clock: Callable[[], float],
        log_requests: bool,
    ) -> None:
        """`log_requests`: log every request at debug level, not only our own errors."""
        self._errors = errors
        self._cors = cors
        self._metrics = metrics
        self._request_ids = request_ids
        self._clock = clock
        self._log_requests = log_requests

    def send(self, ctx: RequestContext, response: Response) -> None:
        message = ctx.incoming.message
        self._metrics.ended()
        route = ctx.methods.get(message.method)
        name = UNMATCHED if route is None else route.name
        seconds = self._clock() - ctx.started_s
        key_pending = ctx.is_key_pending
        self._count_and_log(name, message.method, response.status, ctx.request_id, seconds, key_pending=key_pending)
        cors_lines = self._cors.header_lines(message.headers.get(hdrs.ORIGIN))
        with_body = message.method != hdrs.METH_HEAD
        ctx.incoming.answer(encode_response(response, ctx.request_id, cors_lines, with_body=with_body))

    def send_result(self, ctx: RequestContext, work: AnyReplyFuture[Response]) -> None:
        """Send the result of `work`, which is done; an exception becomes a response, a cancelled one has none."""
        if work.cancelled():
            self._metrics.cut_off()
            self._metrics.ended()
            ctx.incoming.answer(None)
            return
        error = work.exception()
        try:
            self.send(ctx, work.result() if error is None else self._errors.for_exception(ctx, error))
        except Exception as defect:  # noqa: BLE001 - a defect must not leave the client without a response
            place = code_location(defect)
            log.error("answer_failed", request_id=ctx.request_id, error=type(defect).__name__, at=place)
            ctx.incoming.answer(self.encode_error(ErrorCode.internal))

    def encode_error(self, code: ErrorCode) -> EncodedResponse:
        """The response to bytes that are no request, or to a request whose own response failed."""
        request_id = self._request_ids.new()
        response = self._errors.for_error(ApiError(code))
        self._count_and_log(UNMATCHED, "", response.status, request_id, 0.0)
        return encode_response(response, request_id)

    def _count_and_log(
        self, route: str, method: str, status: int, request_id: str, seconds: float, *, key_pending: bool = False
    ) -> None:
        """Count a response. Log it if it is an error of ours (unless `key_pending`), or if every request is logged."""
        label = method_label(method)
        self._metrics.answered(route, label, status, seconds, key_pending=key_pending)
        is_ours = status >= ErrorCode.internal.status and not key_pending
        if is_ours or self._log_requests:
            ms = round(seconds * 1000, 1)
            line = log.warning if is_ours else log.debug
            line("request", request_id=request_id, route=route, method=label, status=status, ms=ms)
