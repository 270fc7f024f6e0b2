"""The summary: one viewer's counts over a window."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qsl

from siddes_telemetry.backends.ports import CountReader, StoreUnavailable
from siddes_telemetry.schemas.coercion import coerce_days
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.conditional import entity_tag, is_match
from siddes_telemetry.web.routing import Access, Request, Response, Route

DAY_MS = 24 * 60 * 60 * 1000
QUERY_DEADLINE_S = 5.0  # a hundred times what 30 days of a large table take; a dashboard's patience


class Summary:
    """The handler. `wall_clock_ms` gives UTC epoch milliseconds; rows past `retention_days` are never read."""

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
        """The asking viewer's counts. Raises ApiError unavailable; a store that refuses is a defect and passes."""
        days = requested_days(request.query)
        since_ms = self._wall_clock_ms() - min(days, self._retention_days) * DAY_MS
        try:
            counts = await self._store.counts(request.viewer_id, since_ms=since_ms, deadline_s=self._deadline_s)
        except StoreUnavailable:
            raise ApiError(ErrorCode.unavailable) from None  # a driver's cause may quote what it sent
        answer = {"ok": True, "days": days, "counts": self._registry.in_order(counts)}
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


def requested_days(query: str) -> int:
    """The window that a query string asks for: its first `days`, coerced; 7 where there is none."""
    fields = parse_qsl(query, keep_blank_values=True)
    return coerce_days(next((value for name, value in fields if name == "days"), None))


def summary_routes(summary: Summary) -> list[Route]:
    """Every GET of the contract that is about counts."""
    return [
        Route("GET", path, "summary", summary.counts, Access.READ)
        for path in ("/api/telemetry/summary", "/api/telemetry")
    ]
