"""The summary service: ClickHouse to HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from siddes_telemetry.cli.clickhouse import clickhouse_store
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.lifecycle import ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Listen, public_server
from siddes_telemetry.cli.services.process_metrics import service_metrics
from siddes_telemetry.cli.services.readiness_checks import ping_check
from siddes_telemetry.cli.services.reading import read_routes
from siddes_telemetry.cli.services.runtime import Service
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas.openapi import Api
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH


def summary_service(settings: Settings, registry: Registry, listen: Listen, print_status: PrintStatus) -> Service:
    """The summary API on the cluster's store."""
    open_parts = partial(_open_summary, settings, registry)
    return make_service(open_parts, listen, print_status, partial(service_metrics, registry))


@asynccontextmanager
async def _open_summary(
    settings: Settings, registry: Registry, metrics: CollectorRegistry
) -> AsyncIterator[ServiceParts]:
    def ready_note(url: str) -> str:
        return f"\nin a browser: {url}{DASHBOARD_PATH}" if settings.debug else ""

    async with clickhouse_store(settings, registry) as store:
        routes = read_routes(store.counts, registry, settings)
        async with public_server(settings, registry, {Api.SUMMARY}, routes, metrics) as server:
            yield ServiceParts(
                checks={"store": ping_check(store.counts.ping_summary)}, server=server, ready_note=ready_note
            )
