"""The admin port: /healthz, /readyz and /metrics. Never served on the public port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random

import structlog
from aiohttp import hdrs
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.aiohttp_internals import RawRequestMessage
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.incoming_request import IncomingRequest
from siddes_telemetry.web.loopback import names_loopback
from siddes_telemetry.web.readiness import Readiness
from siddes_telemetry.web.request_id import RequestIds
from siddes_telemetry.web.response_encoding import EncodedResponse, encode_response
from siddes_telemetry.web.routing import Response

_HEALTHY = Response(b'{"ok":true}')
_NOT_READY = 503

log = structlog.get_logger(__name__)


class AdminApp:
    """An App (see incoming_request.py). The kill switch does not apply here."""

    def __init__(
        self, readiness: Readiness, *, exposition: Callable[[], bytes], random: Random, loopback_only: bool = False
    ) -> None:
        """`exposition` gives the metrics in Prometheus' text format 0.0.4: `generate_latest` of one process's
        registry, or of a collector over several processes. `random` makes request ids. `loopback_only`: requests whose
        Host is not this machine are refused; probes without Host are not, because every browser sends it.
        """
        self._readiness = readiness
        self._exposition = exposition
        self._request_ids = RequestIds(random)
        self._loopback_only = loopback_only

    def serve(self, incoming: IncomingRequest) -> None:
        work = incoming.work = asyncio.ensure_future(self._answer(incoming.message))
        work.add_done_callback(lambda _: incoming.answer(None if work.cancelled() else work.result()))

    async def _answer(self, message: RawRequestMessage) -> EncodedResponse:
        try:
            response = await self._respond(message)
        except Exception as defect:  # noqa: BLE001 - a defect must not leave the prober without a response
            place = code_location(defect)
            log.error("admin_failed", error=type(defect).__name__, at=place)
            response = _error(ErrorCode.internal)
        return encode_response(response, self._request_ids.new(), with_body=message.method != hdrs.METH_HEAD)

    def refuse(self, code: ErrorCode) -> EncodedResponse:
        return encode_response(_error(code), self._request_ids.new())

    async def _respond(self, message: RawRequestMessage) -> Response:
        host = message.headers.get(hdrs.HOST)
        if self._loopback_only and host is not None and not names_loopback(host):
            return _error(ErrorCode.forbidden_origin)
        path = message.path.partition("?")[0]
        if path not in ("/healthz", "/readyz", "/metrics"):
            return _error(ErrorCode.not_found)
        if message.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return _error(ErrorCode.method_not_allowed, ("Allow", "GET, HEAD"))
        if path == "/healthz":
            return _HEALTHY
        if path == "/metrics":
            await self._readiness.report()  # for siddes_not_ready, which shows the latest one
            return Response(self._exposition(), headers=(("Content-Type", CONTENT_TYPE_PLAIN_0_0_4),))
        report = await self._readiness.report()
        content: dict[str, object] = {"ok": report.ok, "checks": dict(report.checks)}
        if report.halts:
            content["halts"] = [
                {"partition": halt.partition, "offset": halt.offset, "reason": halt.reason} for halt in report.halts
            ]
        body = json.dumps(content, separators=(",", ":"))
        return Response(body.encode(), 200 if report.ok else _NOT_READY)


def _error(code: ErrorCode, *headers: tuple[str, str]) -> Response:
    return Response(code.body, code.status, headers)
