"""The gateway's endpoints: a body becomes lines of the log, and 200 is sent once they are durable."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.client_batch import batch_key
from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.record_encoding import encode_lines
from siddes_telemetry.schemas.request_bodies import (
    MAX_BATCH_BYTES,
    MAX_SINGLE_BYTES,
    BodyParser,
    EventCounts,
    ParsedBatch,
)
from siddes_telemetry.schemas.timestamps import format_time
from siddes_telemetry.web.reply_future import ReplyFuture
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess

_OK = Response(b'{"ok":true}')


class IngestHandlers:
    """The handlers. `wall_clock_ms` gives UTC epoch milliseconds: the `created_at` of accepted counts."""

    def __init__(
        self,
        parser: BodyParser,
        group_commit: GroupCommit,
        metrics: GatewayMetrics,
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._parser = parser
        self._group_commit = group_commit
        self._metrics = metrics
        self._wall_clock_ms = wall_clock_ms

    def single(self, request: Request) -> ReplyFuture[Response]:
        """One event. Raises ApiError invalid_event or unexpected_field at once, or unavailable."""
        return self._submit(request.viewer_id, self._parser.single(request.body), None, _OK)

    def batch(self, request: Request) -> Response | Awaitable[Response]:
        """Up to 500 events under one id. Raises ApiError invalid_batch, unexpected_field, too_large, or unavailable.

        A batch without a valid event is answered without the log, as a record cannot hold a batch without lines. Its id
        is therefore not remembered: the same id with valid events counts later.
        """
        batch = self._parser.batch(request.body)
        response = _batch_response(batch)
        if not batch.accepted:
            self._count_rejected(batch)
            return response
        reply = self._submit(request.viewer_id, batch.counts, batch_key(batch.batch_id, request.viewer_id), response)
        return self._count_rejected_after(reply, batch) if batch.rejected else reply

    def _submit(self, viewer_id: str, counts: EventCounts, key: bytes | None, reply: Response) -> ReplyFuture[Response]:
        lines = encode_lines(viewer_id, counts.sums, format_time(self._wall_clock_ms()))
        return self._group_commit.submit(lines, len(counts.sums), key, counts=counts, reply=reply)

    async def _count_rejected_after(self, reply: ReplyFuture[Response], batch: ParsedBatch) -> Response:
        """Count the rejected events only if the batch is answered 200: otherwise the client sends it again."""
        response = await reply
        self._count_rejected(batch)
        return response

    def _count_rejected(self, batch: ParsedBatch) -> None:
        for _, code in batch.rejected:
            self._metrics.rejected[code].inc()


def _batch_response(batch: ParsedBatch) -> Response:
    if not batch.rejected:
        return Response(b'{"ok":true,"accepted":%d,"rejected":[]}' % batch.accepted)
    rejected = [{"index": index, "error": code.name} for index, code in batch.rejected]
    content = {"ok": True, "accepted": batch.accepted, "rejected": rejected}
    return Response(json.dumps(content, separators=(",", ":")).encode())


def gateway_routes(ingest: IngestHandlers) -> list[Route]:
    """Every POST of the API."""
    single = [
        Route("POST", path, "ingest", ingest.single, RouteAccess.WRITE, MAX_SINGLE_BYTES, ErrorCode.invalid_event)
        for path in ("/api/telemetry/ingest", "/api/telemetry")
    ]
    batch = Route(
        "POST",
        "/api/telemetry/batch",
        "batch",
        ingest.batch,
        RouteAccess.WRITE,
        MAX_BATCH_BYTES,
        ErrorCode.invalid_batch,
    )
    return [*single, batch]
