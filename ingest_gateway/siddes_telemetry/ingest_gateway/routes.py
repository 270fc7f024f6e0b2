"""The gateway's endpoints: a body becomes lines of the log, and 200 is sent once the log has them."""

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

    def single(self, request: Request) -> ReplyFuture[Response]:
        """One event. Raises ApiError invalid_event or unexpected_field, now, or unavailable."""
        return self._commit(request.viewer_id, self._parser.single(request.body), None, _OK)

    def batch(self, request: Request) -> Response | Awaitable[Response]:
        """Up to 500 events under one id. Raises ApiError invalid_batch, unexpected_field, too_large, or unavailable.

        A batch with no good event is answered without the log: a record has no place for what holds no lines. So its
        id has not occurred, and counts if it comes again with good events.
        """
        batch = self._parser.batch(request.body)
        answer = _batch_answer(batch)
        if not batch.accepted:
            self._count_rejected(batch)
            return answer
        committed = self._commit(request.viewer_id, batch.counts, batch_key(batch.batch_id, request.viewer_id), answer)
        return self._counted_when(committed, batch) if batch.rejected else committed

    def _commit(self, viewer_id: str, counts: EventCounts, key: bytes | None, reply: Response) -> ReplyFuture[Response]:
        lines = encode_lines(viewer_id, counts.sums, format_time(self._wall_clock_ms()))
        return self._committer.submit(lines, len(counts.sums), key, counts=counts, reply=reply)

    async def _counted_when(self, committed: ReplyFuture[Response], batch: ParsedBatch) -> Response:
        """A batch that is not taken now will be sent again: only what is answered 200 is counted."""
        answer = await committed
        self._count_rejected(batch)
        return answer

    def _count_rejected(self, batch: ParsedBatch) -> None:
        for _, code in batch.rejected:
            self._metrics.rejected[code].inc()


def _batch_answer(batch: ParsedBatch) -> Response:
    if not batch.rejected:
        return Response(b'{"ok":true,"accepted":%d,"rejected":[]}' % batch.accepted)
    rejected = [{"index": index, "error": code.name} for index, code in batch.rejected]
    answer = {"ok": True, "accepted": batch.accepted, "rejected": rejected}
    return Response(json.dumps(answer, separators=(",", ":")).encode())


def gateway_routes(ingest: IngestHandlers) -> list[Route]:
    """Every POST of the contract."""
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
