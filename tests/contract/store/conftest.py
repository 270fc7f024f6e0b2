from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine
from tests.contract.store.backends import BACKENDS, CLICKHOUSES, ClickHouseUnderTest, OpenClickHouse, OpenStore
from tests.contract.store.backends import StoreUnderTest as Backend


@pytest.fixture(scope="session")
def chdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    """The one engine that a process may open. Each test has its own database in it."""
    engine = ChdbEngine(tmp_path_factory.mktemp("chdb"))
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(params=BACKENDS)
async def bare(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Each backend, before `migrate`."""
    open_store: OpenStore = request.param
    async with open_store(request) as opened:
        yield opened


@pytest.fixture
async def backend(bare: Backend) -> Backend:
    """Each backend, migrated and empty."""
    await bare.admin.migrate()
    return bare


@pytest.fixture(params=CLICKHOUSES)
async def bare_clickhouse(request: pytest.FixtureRequest) -> AsyncIterator[ClickHouseUnderTest]:
    """Each ClickHouse, before `migrate`."""
    open_store: OpenClickHouse = request.param
    async with open_store(request) as opened:
        yield opened


@pytest.fixture
async def clickhouse(bare_clickhouse: ClickHouseUnderTest) -> ClickHouseUnderTest:
    """Each ClickHouse, migrated and empty."""
    await bare_clickhouse.admin.migrate()
    return bare_clickhouse
