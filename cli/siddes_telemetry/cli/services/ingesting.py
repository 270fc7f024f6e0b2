"""Group commit into any log, and the routes that take counts."""

from __future__ import annotations

import asyncio

from siddes_telemetry.backends.ports.log import LogAppender
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.limits import GroupCommitLimits
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.ingest_gateway.routes import IngestHandlers, gateway_routes
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.request_bodies import BodyParser
from siddes_telemetry.web.routing import Route

COMMIT_DRAIN_S = 2.0  # for appends that no request waits for any more: all requests have been answered by then


def make_group_commit(
    appender: LogAppender, partitions: int, registry: Registry, metrics: GatewayMetrics
) -> GroupCommit:
    """Group commit into this log."""
    return GroupCommit(
        appender,
        partitions=partitions,
        revision=registry.revision,
        timers=asyncio.get_running_loop(),
        metrics=metrics,
        limits=GroupCommitLimits(),
    )


def ingest_routes(group_commit: GroupCommit, registry: Registry, metrics: GatewayMetrics) -> list[Route]:
    """The routes that take counts."""
    return gateway_routes(IngestHandlers(BodyParser(registry), group_commit, metrics, wall_clock_ms))
