"""The endpoints of the summary API: one viewer's counts over a window, in total and by step.

A new endpoint is a handler in SummaryHandlers, a Route in summary_routes, the model of its response in
schemas/api_models.py and its operation in schemas/openapi.py. It reads counts through a method of CountReader.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import structlog

from siddes_telemetry.backends.ports.errors import StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.store import CountReader
from siddes_telemetry.schemas.clamping import Interval, clamp_days, interval_or_day
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS
from siddes_telemetry.summary_api.etag import conditional_response
from siddes_telemetry.summary_api.local_days import day_starts_ms
from siddes_telemetry.summary_api.series import STEP_MS, Step, steps, utc_starts_ms
from siddes_telemetry.summary_api.time_zones import time_zone
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess

QUERY_DEADLINE_S = 5.0  # a hundred times what 30 days of a large table take; as long as a dashboard should wait

T = TypeVar("T")

log = structlog.get_logger(__name__)


class SummaryHandlers:
    """`wall_clock_ms` returns UTC epoch milliseconds. Rows older than `retention_days` are never read.

    Handlers raise ApiError unavailable, invalid_window or invalid_zone. StoreRefused is a defect and passes through.
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
        """The viewer's counts over the window; with `compare=previous` also those of the window right before it."""
        days, now_ms = requested_days(request.query), self._wall_clock_ms()
        body: dict[str, object] = {"ok": True, "days": days}
        if _first(request.query, "compare") == "previous":
            if 2 * days > self._retention_days:
                raise ApiError(ErrorCode.invalid_window)
            starts_ms = [now_ms - 2 * days * DAY_MS, now_ms - days * DAY_MS]
            previous, counts = await self._counts_by_window(request, starts_ms)
            body["counts"] = self._registry.in_order(counts)
            body["previous"] = {"counts": self._registry.in_order(previous)}
        else:
            counts = await _read(
                self._store.counts(
                    request.viewer_id, since_ms=self._since_ms(now_ms, days), deadline_s=self._deadline_s
                )
            )
            body["counts"] = self._registry.in_order(counts)
        return conditional_response(request, _json(body))

    async def series(self, request: Request) -> Response:
        """The same counts by hour, day or day of a zone. Steps before the retention are included, and empty."""
        query = request.query
        days, interval, zone = requested_days(query), requested_interval(query), requested_zone(query)
        now_ms = self._wall_clock_ms()
        if zone is None or interval == "hour":
            series = await self._utc_steps(request, now_ms, days, STEP_MS[interval])
        else:
            series = await self._days_of(zone, request, now_ms, days)
        return conditional_response(request, _json({"ok": True, "days": days, "interval": interval, "series": series}))

    async def _utc_steps(self, request: Request, now_ms: int, days: int, step_ms: int) -> list[Step]:
        found = await _read(
            self._store.counts_by_step(
                request.viewer_id,
                since_ms=self._since_ms(now_ms, days),
                step_ms=step_ms,
                deadline_s=self._deadline_s,
            )
        )
        starts_ms = utc_starts_ms(since_ms=now_ms - days * DAY_MS, now_ms=now_ms, step_ms=step_ms)
        return steps(starts_ms, found.items(), registry=self._registry)

    async def _days_of(self, zone: ZoneInfo, request: Request, now_ms: int, days: int) -> list[Step]:
        starts_ms = day_starts_ms(since_ms=now_ms - days * DAY_MS, now_ms=now_ms, zone=zone)
        read_ms = self._since_ms(now_ms, days)  # within the first day, or a later one
        windows_ms = [read_ms, *(start_ms for start_ms in starts_ms if start_ms > read_ms)]
        found = await self._counts_by_window(request, windows_ms)
        return steps(starts_ms, zip(windows_ms, found, strict=True), registry=self._registry, zone=zone)

    async def _counts_by_window(self, request: Request, starts_ms: Sequence[int]) -> Sequence[Mapping[str, int]]:
        return await _read(
            self._store.counts_by_window(request.viewer_id, starts_ms=starts_ms, deadline_s=self._deadline_s)
        )

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


def requested_zone(query: str) -> ZoneInfo | None:
    """The time zone of a query string: its first `tz`; None if there is none. Raises ApiError invalid_zone."""
    name = _first(query, "tz")
    if name is None:
        return None
    zone = time_zone(name)
    if zone is None:
        raise ApiError(ErrorCode.invalid_zone)
    return zone


def _first(query: str, field: str) -> str | None:
    return next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == field), None)


async def _read(query: Awaitable[T]) -> T:
    try:
        return await query
    except StoreUnavailable as error:
        log.warning("read_failed", reason=error.reason, code=error.code, remedy=error.remedy)
        raise ApiError(ErrorCode.unavailable) from None  # a driver's cause may quote what it sent
    except StoreRefused as error:  # answered 500 and logged as a defect, there without the store's number
        log.error("read_failed", reason=error.reason, code=error.code, remedy=error.remedy)
        raise


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
