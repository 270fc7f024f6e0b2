"""The two listeners of a service: the public port, and the admin port beside it."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from siddes_telemetry.cli import open_files
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.web.admin import AdminApp
from siddes_telemetry.web.auth.configuration import (
    AuthClocks,
    AuthConfiguration,
    ConfigurationError,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth.metrics import AuthMetrics
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.loopback import is_loopback
from siddes_telemetry.web.metrics import ConnectionMetrics, HttpMetrics
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.readiness import Check, HaltedPartition, Readiness
from siddes_telemetry.web.request_pipeline import RequestPipeline
from siddes_telemetry.web.routing import Route, RouteAccess
from siddes_telemetry.web.server import HttpServer

ANSWER_IN_FLIGHT_S = 8.0  # for requests that are being answered when a stop is asked for


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a service listens; port 0 takes a free one. `host` and `port` are what the public may reach."""

    host: str
    port: int
    admin_host: str
    admin_port: int


def auth_configuration(settings: Settings) -> AuthConfiguration:
    """What the settings say of authentication."""
    tokens = None
    if settings.jwt_secret or settings.jwt_key_file or settings.jwt_jwks_url:
        tokens = TokenConfiguration(
            secret=settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret else None,
            key_file=settings.jwt_key_file,
            jwks_url=settings.jwt_jwks_url,
            algorithm=settings.jwt_algorithm,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            claim=settings.jwt_claim,
            leeway_s=settings.jwt_leeway,
        )
    return AuthConfiguration(
        tokens=tokens,
        introspection=IntrospectionConfiguration(settings.auth_url, settings.auth_field) if settings.auth_url else None,
        session_cookie=settings.session_cookie,
        viewer_key=settings.viewer_key.get_secret_value().encode() if settings.viewer_key else None,
        debug=settings.debug,
    )


def authentication_problems(settings: Settings) -> Iterable[str]:
    """Why nobody could be authenticated, as far as it can be told without opening anything."""
    return auth_configuration(settings).problems()


@asynccontextmanager
async def public_server(
    settings: Settings, routes: Iterable[Route], metrics: CollectorRegistry
) -> AsyncIterator[HttpServer]:
    """A server for these routes, not listening yet; what authentication holds open is closed at the end.

    Raises SettingsError where nobody could be authenticated.
    """
    counted, auth_counted, connections = HttpMetrics(metrics), AuthMetrics(metrics), ConnectionMetrics(metrics)
    try:
        authenticator = make_authenticator(
            auth_configuration(settings),
            metrics=auth_counted,
            clocks=AuthClocks(epoch_s=time.time, monotonic_s=time.monotonic),
        )
    except ConfigurationError as error:
        raise SettingsError(error.problems) from None
    pipeline = RequestPipeline(
        routes,
        authenticator=authenticator,
        limits={
            access: RateLimiter(settings.rate, clock_ns=time.monotonic_ns)
            for access in (RouteAccess.READ, RouteAccess.WRITE)
        },
        enabled=settings.enabled,
        cors=CorsPolicy(settings.origins),
        metrics=counted,
        clock=time.monotonic,
        random=random.Random(),
        loopback_only=settings.debug,  # anybody may say who they are there
        log_requests=settings.log_level == "debug",
    )
    try:
        yield HttpServer(pipeline, max_connections=open_files.public_connections(), metrics=connections)
    finally:
        await authenticator.close()
        for each in (counted, auth_counted, connections):
            each.buffered.flush()  # a worker's files outlive it


@asynccontextmanager
async def admin_port(
    host: str,
    port: int,
    checks: Mapping[str, Check],
    metrics: CollectorRegistry,
    *,
    halts: Callable[[], Sequence[HaltedPartition]] = tuple,
) -> AsyncIterator[tuple[int, Readiness]]:
    """Health, readiness and metrics, while the context lasts. Gives the port, and what to tell that it drains."""
    readiness = Readiness(checks, clock=time.monotonic, halts=halts)
    admin = AdminApp(
        readiness,
        exposition=lambda: generate_latest(metrics),
        random=random.Random(),
        loopback_only=is_loopback(host),
    )
    server = HttpServer(admin, max_connections=open_files.admin_connections())
    bound = await server.listen(host, port)
    try:
        yield bound, readiness
    finally:
        await server.stop(1.0)


def public_url(host: str, port: int) -> str:
    """As a person would type it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


Say = Callable[[str], None]
