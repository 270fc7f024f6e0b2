"""What the services are made of, whichever log and store they work on."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector

from siddes_telemetry.backends.ports.log import DeadLetters, GroupConsumer, KeyJournal, LogAppender
from siddes_telemetry.backends.ports.store import BlockStore, CountReader
from siddes_telemetry.cli.deployment import wall_clock_ms
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.version import VERSION
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.lease import boot_clock_s
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.ingest_gateway.group_commit import GroupCommit, GroupCommitLimits
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.ingest_gateway.routes import IngestHandlers, gateway_routes
from siddes_telemetry.schemas.bodies import BodyParser
from siddes_telemetry.schemas.openapi import Api, openapi
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.developer_pages import developer_routes
from siddes_telemetry.summary_api.routes import Summary, summary_routes
from siddes_telemetry.web.auth_me import AUTH_ME
from siddes_telemetry.web.logs import count_suppressed_lines
from siddes_telemetry.web.openapi_route import openapi_route
from siddes_telemetry.web.routing import Route


def make_committer(appender: LogAppender, partitions: int, registry: Registry, metrics: GatewayMetrics) -> GroupCommit:
    """The gateway's way into this log."""
    return GroupCommit(
        appender,
        partitions=partitions,
        revision=registry.revision,
        timers=asyncio.get_running_loop(),
        metrics=metrics,
        limits=GroupCommitLimits(),
    )


def ingest(committer: GroupCommit, registry: Registry, metrics: GatewayMetrics) -> list[Route]:
    """The gateway's routes."""
    return gateway_routes(IngestHandlers(BodyParser(registry), committer, metrics, wall_clock_ms))


def reading(store: CountReader, registry: Registry, settings: Settings) -> list[Route]:
    """The summary's routes; in debug the developer pages too."""
    summary = Summary(store, registry, retention_days=settings.retention_days, wall_clock_ms=wall_clock_ms)
    return [*summary_routes(summary), *(developer_routes(registry) if settings.debug else ())]


def shared(apis: Iterable[Api], registry: Registry, settings: Settings) -> list[Route]:
    """What every HTTP service serves."""
    document = openapi(
        frozenset(apis),
        registry,
        version=VERSION,
        session_cookie=settings.session_cookie,
        debug=settings.debug,
    )
    return [AUTH_ME, openapi_route(document)]


def make_consumer(
    reader: GroupConsumer,
    store: BlockStore,
    dead_letters: DeadLetters,
    journal: KeyJournal,
    registry: Registry,
    *,
    log_name: str,
    policy: FlushPolicy,
    metrics: CollectorRegistry,
) -> Consumer:
    """A consumer of this log into this store."""
    return Consumer(
        reader,
        ConsumerContext(
            store=store,
            dead_letters=dead_letters,
            journal=journal,
            registry=registry,
            log_name=log_name,
            policy=policy,
            clocks=ConsumerClocks(monotonic_s=time.monotonic, boot_s=boot_clock_s, wall_ms=wall_clock_ms),
            metrics=ConsumerMetrics(metrics),
            rng=random.Random(),
        ),
    )


def process_metrics() -> CollectorRegistry:
    """A registry with this process's own figures: memory, processor time, open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def service_metrics() -> CollectorRegistry:
    """The same, with the log lines that it leaves out: for every process but one whose page shows its workers'."""
    registry = process_metrics()
    count_suppressed_lines(registry)
    return registry
