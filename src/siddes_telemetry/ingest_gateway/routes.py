"""The gateway's endpoints: a body becomes lines of the log, and 200 is sent once the log has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.bodies import MAX_BATCH_BYTES, MAX_SINGLE_BYTES, BodyParser
from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.record import batch_key, encode_lines, format_time
from siddes_telemetry.web.routing import Access, Request, Response, Route

_OK = Response(b'{"ok":true}')


class Ingest:
    """The handlers. `wall_clock_ms` gives UTC epoch milliseconds: the created_at of what is accepted."""

    def __init__(
        self,
        parser: BodyParser,
        committer: GroupCommit,
        metrics: GatewayMetrics,
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._parser = parser
        self._committer = committer
        self._metrics = metrics
        self._wall_clock_ms = wall_clock_ms

    async def single(self, request: Request) -> Response:
        """One event. Raises ApiError invalid_event, unexpected_field or unavailable."""
        event = self._parser.single(request.body)
        await self._commit(request.viewer_id, (event,), None)
        return _OK

    async def batch(self, request: Request) -> Response:
        """Up to 500 events under one id. Raises ApiError invalid_batch, unexpected_field, too_large or unavailable.

        A batch with no good event is answered without the log: a record has no place for what holds no lines. So its
        id has not occurred, and counts if it comes again with good events.
        """
        batch = self._parser.batch(request.body)
        if batch.events:
            await self._commit(request.viewer_id, batch.events, batch_key(batch.batch_id, request.viewer_id))
        for _, code in batch.rejected:
            self._metrics.rejected[code].inc()
        answer = {
            "ok": True,
            "accepted": len(batch.events),
            "rejected": [{"index": index, "error": code.name} for index, code in batch.rejected],
        }
        return Response(json.dumps(answer, separators=(",", ":")).encode())

    async def _commit(self, viewer_id: str, events: Sequence[tuple[str, int]], key: bytes | None) -> None:
        lines, rows = encode_lines(viewer_id, events, format_time(self._wall_clock_ms()))
        await self._committer.commit(lines, rows, key)
        for event, count in events:
            self._metrics.accepted[event].inc(count)
            self._metrics.reports[event].inc()


def gateway_routes(ingest: Ingest) -> list[Route]:
    """Every POST of the contract."""
    single = [
        Route("POST", path, "ingest", ingest.single, Access.WRITE, MAX_SINGLE_BYTES, ErrorCode.invalid_event)
        for path in ("/api/telemetry/ingest", "/api/telemetry")
    ]
    batch = Route(
        "POST",
        "/api/telemetry/batch",
        "batch",
        ingest.batch,
        Access.WRITE,
        MAX_BATCH_BYTES,
        ErrorCode.invalid_batch,
    )
    return [*single, batch]
