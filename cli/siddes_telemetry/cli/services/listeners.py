"""The two HTTP listeners of a service: the public port and the admin port."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from siddes_telemetry.cli import open_files
from siddes_telemetry.cli.auth_settings import auth_configuration
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.version import installed_version
from siddes_telemetry.schemas.openapi import Api, openapi
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web.admin import AdminApp
from siddes_telemetry.web.auth.configuration import AuthClocks, ConfigurationError
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth.metrics import AuthMetrics
from siddes_telemetry.web.auth_me import AUTH_ME
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.loopback import is_loopback
from siddes_telemetry.web.metrics import ConnectionMetrics, HttpMetrics
from siddes_telemetry.web.openapi_route import openapi_route
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.readiness import Check, HaltedPartition, Readiness
from siddes_telemetry.web.readiness_metrics import ReadinessMetrics
from siddes_telemetry.web.request_pipeline import RequestPipeline
from siddes_telemetry.web.routing import Route, RouteAccess
from siddes_telemetry.web.server import HttpServer

ANSWER_IN_FLIGHT_S = 8.0  # for the requests that have begun when a stop is asked for
ADMIN_STOP_S = 1.0  # the same on the admin port: its answers are short

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. Port 0 takes a free one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listen:
    """The addresses of a service; the consumer has no public one."""

    public: Address | None
    admin: Address


@asynccontextmanager
async def public_server(
    settings: Settings, registry: Registry, apis: Collection[Api], routes: Iterable[Route], metrics: CollectorRegistry
) -> AsyncIterator[HttpServer]:
    """A server of these routes and of those that all services share, not listening yet.

    The authenticator's connections close at the end. Raises SettingsError if no viewer could be authenticated.
    """
    routes = list(routes)
    http_metrics, auth_metrics = HttpMetrics(metrics), AuthMetrics(metrics)
    http_metrics.expect(route.name for route in routes)
    connection_metrics = ConnectionMetrics(metrics)
    Gauge(
        "siddes_enabled",
        "1 if telemetry is switched on, 0 if the kill switch answers 404.",
        registry=metrics,
        multiprocess_mode="livemin",
    ).set(settings.enabled)
    try:
        authenticator = make_authenticator(
            auth_configuration(settings),
            metrics=auth_metrics,
            clocks=AuthClocks(epoch_s=time.time, monotonic_s=time.monotonic),
        )
    except ConfigurationError as error:
        raise SettingsError(error.problems) from None
    pipeline = RequestPipeline(
        [*routes, *_shared_routes(settings, registry, apis)],
        authenticator=authenticator,
        limits={
            access: RateLimiter(settings.rate, clock_ns=time.monotonic_ns)
            for access in (RouteAccess.READ, RouteAccess.WRITE)
        },
        enabled=settings.enabled,
        cors=CorsPolicy(settings.origins),
        metrics=http_metrics,
        clock=time.monotonic,
        random=random.Random(),
        loopback_only=settings.debug,  # the dev viewer is anybody who says so
        log_requests=settings.log_level == "debug",
    )
    authenticator.start()
    if not settings.enabled:
        log.warning("switched_off", remedy="set SIDDES_TELEMETRY_ENABLED=1 and restart")
    try:
        yield HttpServer(pipeline, max_connections=open_files.public_connections(), metrics=connection_metrics)
    finally:
        await authenticator.close()
        for each in (http_metrics, auth_metrics, connection_metrics):
            each.buffered.flush()  # a worker's metrics files outlive it


def _shared_routes(settings: Settings, registry: Registry, apis: Collection[Api]) -> list[Route]:
    document = openapi(
        apis, registry, version=installed_version(), session_cookie=settings.session_cookie, debug=settings.debug
    )
    return [AUTH_ME, openapi_route(document)]


@asynccontextmanager
async def open_admin_port(
    address: Address,
    checks: Mapping[str, Check],
    metrics: CollectorRegistry,
    *,
    halted_partitions: Callable[[], Sequence[HaltedPartition]] = tuple,
) -> AsyncIterator[tuple[int, Readiness]]:
    """Serve health, readiness and metrics while the context lasts. Yields the port and the readiness."""
    readiness = Readiness(checks, clock=time.monotonic, halts=halted_partitions)
    metrics.register(ReadinessMetrics(readiness))
    admin = AdminApp(
        readiness,
        exposition=lambda: generate_latest(metrics),
        random=random.Random(),
        loopback_only=is_loopback(address.host),
    )
    server = HttpServer(admin, max_connections=open_files.admin_connections())
    port = await server.listen(address.host, address.port)
    try:
        yield port, readiness
    finally:
        await server.stop(ADMIN_STOP_S)
