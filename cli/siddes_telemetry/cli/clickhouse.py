"""Cluster mode's store: a ClickHouse server, as the settings name it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.cli.clickhouse_address import clickhouse_address
from siddes_telemetry.cli.clickhouse_server import clickhouse_login, clickhouse_tls
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.store import Store, make_store
from siddes_telemetry.cli.store_schema import cluster_schema
from siddes_telemetry.schemas.registry import Registry


@asynccontextmanager
async def clickhouse_store(settings: Settings, registry: Registry) -> AsyncIterator[Store]:
    """The store on the ClickHouse server, which is connected to at the first use. Raises SettingsError."""
    address = clickhouse_address(settings)
    engine = HttpEngine(address, clickhouse_login(settings, address), clickhouse_tls(settings, address))
    try:
        yield make_store(engine, cluster_schema(settings, registry, address.database))
    finally:
        await engine.close()
