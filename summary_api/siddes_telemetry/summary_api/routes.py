"""The summary and the series: one viewer's counts over a window, as one sum and by step."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.store import CountReader
from siddes_telemetry.schemas.clamping import Interval, clamp_days, interval_or_day
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS
from siddes_telemetry.summary_api.etag import entity_tag, is_match
from siddes_telemetry.summary_api.series import STEP_MS, lay_out
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess

QUERY_DEADLINE_S = 5.0  # a hundred times what 30 days of a large table take; a dashboard's patience

T = TypeVar("T")


class Summary:
    """The handlers. `wall_clock_ms` gives UTC epoch milliseconds; rows past `retention_days` are never read.

    Both raise ApiError unavailable; a store that refuses is a defect and passes.
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

    async def counts(self, request: Request) -> Response:
        """The asking viewer's counts."""
        days = requested_days(request.query)
        asked = self._store.counts(
            request.viewer_id, since_ms=self._first_read_ms(self._wall_clock_ms(), days), deadline_s=self._deadline_s
        )
        counts = self._registry.in_order(await _answer_of(asked))
        return _conditional(request, {"ok": True, "days": days, "counts": counts})

    async def series(self, request: Request) -> Response:
        """The same counts by UTC day or hour. Steps past the retention are there, and empty."""
        days, interval = requested_days(request.query), requested_interval(request.query)
        now_ms, step_ms = self._wall_clock_ms(), STEP_MS[interval]
        asked = self._store.counts_by_step(
            request.viewer_id,
            since_ms=self._first_read_ms(now_ms, days),
            step_ms=step_ms,
            deadline_s=self._deadline_s,
        )
        steps = lay_out(
            await _answer_of(asked),
            since_ms=now_ms - days * DAY_MS,
            now_ms=now_ms,
            step_ms=step_ms,
            registry=self._registry,
        )
        return _conditional(request, {"ok": True, "days": days, "interval": interval, "series": steps})

    def _first_read_ms(self, now_ms: int, days: int) -> int:
        return now_ms - min(days, self._retention_days) * DAY_MS


def requested_days(query: str) -> int:
    """The window that a query string asks for: its first `days`, coerced; 7 where there is none."""
    return clamp_days(_first(query, "days"))


def requested_interval(query: str) -> Interval:
    """The steps that a query string asks for: its first `interval`, coerced; days where there is none."""
    return interval_or_day(_first(query, "interval"))


def summary_routes(summary: Summary) -> list[Route]:
    """Every GET of the contract that is about counts."""
    return [
        Route("GET", "/api/telemetry/summary", "summary", summary.counts, RouteAccess.READ),
        Route("GET", "/api/telemetry", "summary", summary.counts, RouteAccess.READ),
        Route("GET", "/api/telemetry/series", "series", summary.series, RouteAccess.READ),
    ]


def _first(query: str, field: str) -> str | None:
    return next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == field), None)


async def _answer_of(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except StoreUnavailable:
        raise ApiError(ErrorCode.unavailable) from None  # a driver's cause may quote what it sent


def _conditional(request: Request, answer: Mapping[str, object]) -> Response:
    """The answer under its tag, or 304 where the viewer has it already."""
    body = json.dumps(answer, separators=(",", ":")).encode()
    tag = entity_tag(request.viewer_id, body)
    headers = (
        ("ETag", tag),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Authorization, Cookie"),
    )
    if is_match(request.if_none_match, tag):
        return Response(b"", 304, headers)
    return Response(body, 200, headers)
