"""Runs `siddes-telemetry` with one change for the canary tests: a dump of its tables, or a leak in one place.

Usage: leaky_variants.py VARIANT FOLDER ARGUMENT_OF_SIDDES_TELEMETRY...
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, from anywhere

from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine
from siddes_telemetry.backends.clickhouse.engine import Row
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.cli.main import main
from siddes_telemetry.cli.store_schema import EMBEDDED_DATABASE
from siddes_telemetry.schemas.errors import ApiError
from siddes_telemetry.web import log_rate_limit
from siddes_telemetry.web.request_context import RequestContext
from siddes_telemetry.web.request_pipeline import RequestPipeline
from siddes_telemetry.web.routing import Response
from tests.e2e.dump_tables import dump_tables

log = structlog.get_logger(__name__)


def watched(folder: Path) -> tuple[type, str, Callable[..., Any]]:
    """The unchanged instance, which writes every table of its store to files before it closes it."""
    close = ChdbEngine.close

    async def dump_and_close(engine: ChdbEngine) -> None:
        if not folder.exists():  # closing twice is fine
            connection = engine._connections.get()
            dump_tables(lambda sql: connection.query(sql).bytes() or b"", EMBEDDED_DATABASE, folder)
            engine._connections.put(connection)
        await close(engine)

    return ChdbEngine, "close", dump_and_close


def as_it_is(_: Path) -> tuple[type, str, Callable[..., Any]]:
    return RequestPipeline, "_respond", RequestPipeline._respond


def path_in_log(_: Path) -> tuple[type, str, Callable[..., Any]]:
    respond = RequestPipeline._respond

    def leak(pipeline: RequestPipeline, ctx: RequestContext) -> Response | Awaitable[Response]:
        log.info("request", path=ctx.path)
        return respond(pipeline, ctx)

    return RequestPipeline, "_respond", leak


def path_in_error(_: Path) -> tuple[type, str, Callable[..., Any]]:
    respond = RequestPipeline._respond

    def leak(pipeline: RequestPipeline, ctx: RequestContext) -> Response | Awaitable[Response]:
        try:
            return respond(pipeline, ctx)
        except ApiError as error:
            return Response(f'{{"ok":false,"error":"no {ctx.path} here"}}'.encode(), error.code.status)

    return RequestPipeline, "_respond", leak


def path_in_label(_: Path) -> tuple[type, str, Callable[..., Any]]:
    respond = RequestPipeline._respond

    def leak(pipeline: RequestPipeline, ctx: RequestContext) -> Response | Awaitable[Response]:
        pipeline._metrics.answered(ctx.path, "GET", 200, 0.0)
        return respond(pipeline, ctx)

    return RequestPipeline, "_respond", leak


def path_in_file(_: Path) -> tuple[type, str, Callable[..., Any]]:
    respond = RequestPipeline._respond

    def leak(pipeline: RequestPipeline, ctx: RequestContext) -> Response | Awaitable[Response]:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(ctx.path.encode("utf-16-le"))
        return respond(pipeline, ctx)

    return RequestPipeline, "_respond", leak


def viewer_in_query(_: Path) -> tuple[type, str, Callable[..., Any]]:
    read = HttpEngine.read

    async def leak(engine: HttpEngine, sql: str, parameters: Any, *, bound: str = "", **more: Any) -> Sequence[Row]:
        more["settings"] = {**more["settings"], "log_queries": 1}
        return await read(engine, sql.replace("SELECT value FROM bound", f"'{bound}'"), parameters, **more)

    return HttpEngine, "read", leak


VARIANTS = {
    "watched": watched,
    "as-it-is": as_it_is,
    "path-in-log": path_in_log,
    "path-in-error": path_in_error,
    "path-in-label": path_in_label,
    "path-in-file": path_in_file,
    "viewer-in-query": viewer_in_query,
}

if __name__ == "__main__":
    variant, folder = sys.argv[1:3]
    del sys.argv[1:3]
    # the rate limit of log lines is off: every line is searched
    with patch.object(log_rate_limit, "LINES_PER_S", sys.maxsize), patch.object(*VARIANTS[variant](Path(folder))):
        main()
