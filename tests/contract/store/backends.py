"""The stores that the contract suite runs against. To add one: a function that opens it, and a line in BACKENDS."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.clickhouse.audit import ClickHouseAudit
from siddes_telemetry.backends.clickhouse.engine import Engine
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.ports.administration import StoreAdmin
from siddes_telemetry.backends.ports.store import BlockStore, CountReader, StoreAudit
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.registry import Registry
from tests.contract.store.blocks import REGISTRY
from tests.fakes.memory_store import MemoryStore
from tests.infrastructure.names import fresh

DEADLINE_S = 30.0


class Store(BlockStore, CountReader, Protocol):
    """A store that has both protocols."""


@dataclass(frozen=True)
class StoreUnderTest:
    """A store without tables yet, and its admin and audit."""

    store: Store
    admin: StoreAdmin
    audit: StoreAudit


@dataclass(frozen=True)
class ClickHouseUnderTest(StoreUnderTest):
    """The same on a ClickHouse engine, with plain SQL and other settings for its tables."""

    engine: Engine
    schema: StoreSchema
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def admin_with(
        self,
        *,
        cluster: str | None = None,
        retention_days: int = 30,
        registry: Registry = REGISTRY,
        partitions: int = 1,
    ) -> ClickHouseAdmin:
        schema = StoreSchema(self.schema.database, cluster, retention_days, registry, partitions)
        return ClickHouseAdmin(self.engine, schema, random_log_id=lambda: self.random.getrandbits(32))

    async def rows(self, sql: str, parameters: Mapping[str, str | int] | None = None) -> Sequence[Sequence[Any]]:
        names = {"database": self.schema.database, **(parameters or {})}
        return await self.engine.read(sql, names, settings={}, deadline_s=DEADLINE_S)

    async def run(self, sql: str, settings: Mapping[str, str | int] | None = None) -> None:
        await self.engine.run(sql, settings=settings or {}, deadline_s=DEADLINE_S)


OpenStore = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[StoreUnderTest]]
OpenClickHouse = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[ClickHouseUnderTest]]


def on(engine: Engine, database: str) -> ClickHouseUnderTest:
    """A store in one database of an engine."""
    schema = StoreSchema(database, None, 30, REGISTRY)
    admin = ClickHouseAdmin(engine, schema, random_log_id=lambda: random.getrandbits(32))
    return ClickHouseUnderTest(ClickHouseStore(engine, schema), admin, ClickHouseAudit(engine, schema), engine, schema)


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[StoreUnderTest]:
    store = MemoryStore(events=REGISTRY.names, migrated=False)
    yield StoreUnderTest(store, store, store)


@asynccontextmanager
async def chdb(request: pytest.FixtureRequest) -> AsyncIterator[ClickHouseUnderTest]:
    opened = on(request.getfixturevalue("chdb_engine"), fresh("test"))
    yield opened
    await opened.run(f"DROP DATABASE IF EXISTS {opened.schema.database} SYNC")


@asynccontextmanager
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ClickHouseUnderTest]:
    address = parse_server_url(request.getfixturevalue("clickhouse_database_url"))
    engine = HttpEngine(address)
    yield on(engine, address.database)
    await engine.close()


SERVER = pytest.param(server, id="server", marks=pytest.mark.servers)
CLICKHOUSES = [pytest.param(chdb, id="chdb"), SERVER]
BACKENDS = [pytest.param(memory, id="memory"), *CLICKHOUSES]
