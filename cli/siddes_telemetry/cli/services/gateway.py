"""The gateway service: HTTP to Kafka."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.metrics import KafkaGatewayMetrics
from siddes_telemetry.cli.kafka import kafka_connection
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.ingesting import COMMIT_DRAIN_S, ingest_routes, make_group_commit
from siddes_telemetry.cli.services.lifecycle import ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Listen, public_server
from siddes_telemetry.cli.services.process_metrics import service_metrics
from siddes_telemetry.cli.services.readiness_checks import ping_check
from siddes_telemetry.cli.services.runtime import Service
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.openapi import Api
from siddes_telemetry.schemas.registry import Registry


def gateway_service(settings: Settings, registry: Registry, listen: Listen, print_status: PrintStatus) -> Service:
    """The gateway in this process. gateway_workers.py has it in several."""
    open_parts = partial(open_gateway, settings, registry)
    return make_service(open_parts, listen, print_status, partial(service_metrics, registry))


@asynccontextmanager
async def open_gateway(
    settings: Settings, registry: Registry, metrics: CollectorRegistry
) -> AsyncIterator[ServiceParts]:
    """The parts of a gateway on Kafka."""
    async with AsyncExitStack() as stack:
        kafka_metrics = KafkaGatewayMetrics(metrics)
        appender = KafkaAppender(
            kafka_connection(settings),
            settings.topic,
            settings.partitions,
            metrics=kafka_metrics,
            rng=random.Random(),
            set_troubles=kafka_metrics.set_troubles,
        )
        await appender.start()
        stack.push_async_callback(appender.close)
        gateway_metrics = GatewayMetrics(metrics, registry)
        group_commit = make_group_commit(appender, settings.partitions, registry, gateway_metrics)
        routes = ingest_routes(group_commit, registry, gateway_metrics)
        server = await stack.enter_async_context(public_server(settings, registry, {Api.INGEST}, routes, metrics))
        stack.callback(gateway_metrics.buffered.flush)  # a worker's metrics files outlive it
        yield ServiceParts(
            checks={"log": ping_check(group_commit.ping)},
            server=server,
            drain=partial(group_commit.drain, COMMIT_DRAIN_S),
        )
