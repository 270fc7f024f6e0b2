"""The endpoints of the summary API: one viewer's counts over a window, in total and by step.

A new endpoint is a handler in SummaryHandlers, a Route in summary_routes, the model of its response in
schemas/api_models.py and its operation in schemas/openapi.py. It reads counts through a method of CountReader.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qsl

import structlog

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.store import CountReader
from siddes_telemetry.schemas.clamping import Interval, clamp_days, interval_or_day
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS
from siddes_telemetry.summary_api.etag import conditional_response
from siddes_telemetry.summary_api.series import STEP_MS, steps_of_window
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess

QUERY_DEADLINE_S = 5.0  # a hundred times what 30 days of a large table take; as long as a dashboard should wait

T = TypeVar("T")

log = structlog.get_logger(__name__)


class SummaryHandlers:
    """`wall_clock_ms` returns UTC epoch milliseconds. Rows older than `retention_days` are never read.

    Handlers raise ApiError unavailable. StoreRefused is a defect and passes through.
    """

    def __init__(
        self,
        store: CountReader,
        registry: Registry,
        *,
        retention_days: int,
        wall_clock_ms: Callable[[], int],
        deadline_s: float = QUERY_DEADLINE_S,
    ) -> None:
        self._store = store
        self._registry = registry
        self._retention_days = retention_days
        self._wall_clock_ms = wall_clock_ms
        self._deadline_s = deadline_s

    async def summary(self, request: Request) -> Response:
        """The viewer's counts over the window."""
        days = requested_days(request.query)
        counts = await _read(
            self._store.counts(
                request.viewer_id, since_ms=self._since_ms(self._wall_clock_ms(), days), deadline_s=self._deadline_s
            )
        )
        body = {"ok": True, "days": days, "counts": self._registry.in_order(counts)}
        return conditional_response(request, _json(body))

    async def series(self, request: Request) -> Response:
        """The same counts by UTC day or hour. Steps before the retention are included, and empty."""
        days, interval = requested_days(request.query), requested_interval(request.query)
        now_ms, step_ms = self._wall_clock_ms(), STEP_MS[interval]
        counts_by_step = await _read(
            self._store.counts_by_step(
                request.viewer_id,
                since_ms=self._since_ms(now_ms, days),
                step_ms=step_ms,
                deadline_s=self._deadline_s,
            )
        )
        steps = steps_of_window(
            counts_by_step,
            since_ms=now_ms - days * DAY_MS,
            now_ms=now_ms,
            step_ms=step_ms,
            registry=self._registry,
        )
        return conditional_response(request, _json({"ok": True, "days": days, "interval": interval, "series": steps}))

    def _since_ms(self, now_ms: int, days: int) -> int:
        return now_ms - min(days, self._retention_days) * DAY_MS


def summary_routes(handlers: SummaryHandlers) -> list[Route]:
    """All routes of the summary API."""
    return [
        Route("GET", "/api/telemetry/summary", "summary", handlers.summary, RouteAccess.READ),
        Route("GET", "/api/telemetry", "summary", handlers.summary, RouteAccess.READ),
        Route("GET", "/api/telemetry/series", "series", handlers.series, RouteAccess.READ),
    ]


def requested_days(query: str) -> int:
    """The window of a query string: its first `days`, clamped; 7 if there is none."""
    return clamp_days(_first(query, "days"))


def requested_interval(query: str) -> Interval:
    """The step of a query string: its first `interval`; `day` if there is none."""
    return interval_or_day(_first(query, "interval"))


def _first(query: str, field: str) -> str | None:
    return next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == field), None)


async def _read(query: Awaitable[T]) -> T:
    try:
        return await query
    except StoreUnavailable as error:
        log.warning("read_failed", reason=error.reason, code=error.code, remedy=error.remedy)
        raise ApiError(ErrorCode.unavailable) from None  # a driver's cause may quote what it sent


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
