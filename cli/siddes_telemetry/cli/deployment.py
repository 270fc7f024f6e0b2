"""The two shapes: which log and which store. Nothing behind this file knows there are two."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.clickhouse.audit import ClickHouseAudit
from siddes_telemetry.backends.clickhouse.engine import Engine
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine, parse_server_url
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.operations import (
    Operations,
    list_dead_letters,
    migrate_embedded,
    purge,
    set_aside,
    verify_store,
)
from siddes_telemetry.cli.runtime import let_crashes_end_it
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.consumer.verify.verifier import LogAndStore
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.registry import Registry

EMBEDDED_DATABASE = "siddes"


def wall_clock_ms() -> int:
    """UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000


def store_schema(settings: Settings, registry: Registry, database: str) -> StoreSchema:
    """What the tables of these settings depend on."""
    return StoreSchema(database, settings.cluster, settings.retention_days, registry)


@dataclass(frozen=True)
class Store:
    """A store, and its administration."""

    counts: ClickHouseStore
    admin: ClickHouseAdmin
    audit: ClickHouseAudit

    async def ping(self) -> None:
        """Return if both summaries and inserts are answered. Raises as they do."""
        await self.counts.ping_summary()
        await self.counts.ping_insert()


def make_store(engine: Engine, schema: StoreSchema) -> Store:
    """The same store on either engine."""
    admin = ClickHouseAdmin(engine, schema, random_log_id=partial(secrets.randbits, 32))
    return Store(ClickHouseStore(engine, schema), admin, ClickHouseAudit(engine, schema))


@asynccontextmanager
async def clickhouse(settings: Settings, registry: Registry) -> AsyncIterator[Store]:
    """The store of a cluster: connects at its first use."""
    if settings.clickhouse is None:
        raise ValueError("the caller sees to it that the settings name a server")
    address = parse_server_url(settings.clickhouse.get_secret_value())
    engine = HttpEngine(address)
    try:
        yield make_store(engine, store_schema(settings, registry, address.database))
    finally:
        await engine.close()


def kafka_admin(settings: Settings) -> KafkaAdmin:
    """The topics of a cluster."""
    return KafkaAdmin(
        kafka_connection(settings),
        settings.topic,
        partitions=settings.partitions,
        replication=settings.replication,
        retention_days=settings.retention_days,
    )


def kafka_connection(settings: Settings) -> KafkaConnection:
    """How to reach the brokers."""
    if settings.kafka is None:
        raise ValueError("the caller sees to it that the settings name a broker")
    return KafkaConnection(settings.kafka)


@dataclass(frozen=True)
class Embedded:
    """A data folder that this process has open."""

    log: SqliteLog
    store: Store
    registry: Registry
    retention_days: int

    @property
    def operations(self) -> Operations:
        """What an operator may have done here."""
        log, store = self.log, self.store
        log_and_store = LogAndStore(log, log.log_id, store.audit, log.dead_letters, self.registry, self.retention_days)
        return {
            "migrate": partial(migrate_embedded, self.store.admin, self.log.log_id),
            "purge": partial(purge, self.store.admin, wall_clock_ms),
            "dead-letters": partial(list_dead_letters, self.log.dead_letters),
            "set-aside": partial(set_aside, log_and_store, store.counts),
            "verify": partial(verify_store, log_and_store, store.counts, wall_clock_ms),
        }


@asynccontextmanager
async def embedded(settings: Settings, registry: Registry) -> AsyncIterator[Embedded]:
    """Open the data folder, alone. Raises DataInUse, SettingsError without chDB, BackendError, OSError."""
    folder = DataFolder(settings.data)
    if problem := folder.problem():
        raise SettingsError([problem])
    try:  # here: chDB takes 300 MB and is not part of a cluster's installation
        from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine  # noqa: PLC0415  # as said
    except ModuleNotFoundError:
        raise SettingsError(
            ["the embedded shape needs chDB: install siddes-telemetry[embedded], or set SIDDES_TELEMETRY_CLICKHOUSE"]
        ) from None
    except ImportError:
        raise SettingsError(
            ["chDB is installed and cannot be loaded: install siddes-telemetry[embedded] anew, for this machine"]
        ) from None
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.claimed())
        log = SqliteLog(folder.log, clock_ms=wall_clock_ms, rng=random.Random())
        stack.push_async_callback(log.close)
        engine = ChdbEngine(folder.store)
        stack.push_async_callback(engine.close)
        let_crashes_end_it()
        schema = StoreSchema(EMBEDDED_DATABASE, None, settings.retention_days, registry)
        yield Embedded(log, make_store(engine, schema), registry, settings.retention_days)
