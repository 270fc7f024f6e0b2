"""The routes that read counts, from any store."""

from __future__ import annotations

from siddes_telemetry.backends.ports.store import CountReader
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.developer_pages import developer_routes
from siddes_telemetry.summary_api.routes import SummaryHandlers, summary_routes
from siddes_telemetry.web.routing import Route


def read_routes(store: CountReader, registry: Registry, settings: Settings) -> list[Route]:
    """The routes that read counts; in debug the developer pages too."""
    summary = SummaryHandlers(store, registry, retention_days=settings.retention_days, wall_clock_ms=wall_clock_ms)
    return [*summary_routes(summary), *(developer_routes(registry) if settings.debug else ())]
