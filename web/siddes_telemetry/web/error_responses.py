"""Errors as responses: each is one ErrorCode, and is counted by it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import structlog

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.credentials import KeyRefreshPending, NoViewer
from siddes_telemetry.web.metrics import HttpMetrics
from siddes_telemetry.web.request_context import RequestContext
from siddes_telemetry.web.routing import NO_METHODS, Response, Route

RETRY_AFTER_S = (1, 5)  # for 503s: spread, so that clients do not come back all at once

log = structlog.get_logger(__name__)


class ErrorResponses:
    """Makes and counts the response to an exception."""

    def __init__(self, metrics: HttpMetrics, random: Random) -> None:
        self._metrics = metrics
        self._random = random

    def for_exception(self, ctx: RequestContext, error: BaseException) -> Response:
        """The response to an ApiError; any other exception is a defect, and answered 500."""
        if isinstance(error, ApiError):
            if isinstance(error, NoViewer):
                log.debug("no_viewer", request_id=ctx.request_id, reason=error.reason)
            ctx.is_key_pending = isinstance(error, KeyRefreshPending)
            return self.for_error(error, ctx.methods)
        place = code_location(error)
        log.error("handler_failed", request_id=ctx.request_id, error=type(error).__name__, at=place)
        return self.for_error(ApiError(ErrorCode.internal), ctx.methods)

    def for_error(self, error: ApiError, methods: Mapping[str, Route] = NO_METHODS) -> Response:
        """`methods`: those of the path, for Allow."""
        code = error.code
        if isinstance(error, KeyRefreshPending):
            self._metrics.key_pending()
        else:
            self._metrics.failed(code)
        headers: tuple[tuple[str, str], ...] = ()
        if code is ErrorCode.method_not_allowed:
            headers = (("Allow", ", ".join(methods)),)
        wait_s = error.retry_after_s
        if wait_s is None and code is ErrorCode.unavailable:
            wait_s = self._random.randint(*RETRY_AFTER_S)
        if wait_s is not None:
            headers = (("Retry-After", str(wait_s)),)
        return Response(code.body, code.status, headers)
