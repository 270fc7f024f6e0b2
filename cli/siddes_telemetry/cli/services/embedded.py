"""The embedded service: gateway, consumer and summary API in one process, on SQLite and chDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.sqlite.trimming import SqliteTrimMetrics
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.embedded import embedded_consumer, open_embedded
from siddes_telemetry.cli.operations.control_socket import serve_control
from siddes_telemetry.cli.operations.embedded import embedded_operations
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.consuming import consumer_check
from siddes_telemetry.cli.services.ingesting import COMMIT_DRAIN_S, ingest_routes, make_group_commit
from siddes_telemetry.cli.services.lifecycle import BackgroundTask, ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Listen, public_server
from siddes_telemetry.cli.services.log_trimming import trim_periodically
from siddes_telemetry.cli.services.process_metrics import service_metrics
from siddes_telemetry.cli.services.readiness_checks import ping_check
from siddes_telemetry.cli.services.reading import read_routes
from siddes_telemetry.cli.services.runtime import Service
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.viewer_key import keep_viewer_key
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.openapi import Api
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH

log = structlog.get_logger(__name__)


def embedded_service(settings: Settings, registry: Registry, listen: Listen, print_status: PrintStatus) -> Service:
    """All three services on one data folder."""
    open_parts = partial(_open_all, settings, registry)
    return make_service(open_parts, listen, print_status, partial(service_metrics, registry))


@asynccontextmanager
async def _open_all(settings: Settings, registry: Registry, metrics: CollectorRegistry) -> AsyncIterator[ServiceParts]:
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(open_embedded(settings, registry))
        operations = embedded_operations(instance)
        await operations["migrate"]()
        await keep_viewer_key(instance, settings)
        if await instance.log.import_intents.any():
            log.warning("data_folder_was_imported", remedy="import it again, or delete it")
        gateway_metrics = GatewayMetrics(metrics, registry)
        group_commit = make_group_commit(instance.log, 1, registry, gateway_metrics)
        routes = [
            *ingest_routes(group_commit, registry, gateway_metrics),
            *read_routes(instance.store.counts, registry, settings),
        ]
        server = await stack.enter_async_context(public_server(settings, registry, set(Api), routes, metrics))
        journal = instance.log.journal(JournalMetrics(metrics))
        stack.push_async_callback(journal.close)
        consumer = embedded_consumer(instance, journal, metrics)
        await stack.enter_async_context(serve_control(DataFolder(settings.data).control_socket, operations))
        yield ServiceParts(
            checks={
                "log": ping_check(group_commit.ping),
                "store": ping_check(instance.store.ping),
                "consumer": consumer_check(consumer),
            },
            halted_partitions=consumer.halted_partitions,
            server=server,
            drain=partial(group_commit.drain, COMMIT_DRAIN_S),
            background=[
                BackgroundTask(consumer.run, consumer.stop),
                BackgroundTask(partial(trim_periodically, instance.log, SqliteTrimMetrics(metrics))),
            ],
            ready_note=partial(_ready_note, settings, registry),
        )


def _ready_note(settings: Settings, registry: Registry, url: str) -> str:
    """What to do next, for a person who tries it out."""
    if not settings.enabled:
        return "\nbut telemetry is switched off: every path of it answers 404 until SIDDES_TELEMETRY_ENABLED is 1"
    if not settings.debug:
        return ""
    return f"""
try it:
  curl {url}/api/telemetry -H 'x-sd-viewer: alice' -H 'content-type: application/json' \\
    -d '{{"event":"{registry.in_use[0].name}","count":3}}'
  curl '{url}/api/telemetry?days=7' -H 'x-sd-viewer: alice'
or in a browser:
  {url}{DEMO_PATH}  (emits counts)
  {url}{DASHBOARD_PATH}  (shows them)"""
