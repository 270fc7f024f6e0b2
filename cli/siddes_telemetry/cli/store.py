"""The store of counts on either ClickHouse engine, with its administration and audit."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.clickhouse.audit import ClickHouseAudit
from siddes_telemetry.backends.clickhouse.engine import Engine
from siddes_telemetry.backends.clickhouse.import_facts import ClickHouseImportFacts
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.schemas.ddl import StoreSchema


@dataclass(frozen=True)
class Store:
    """A store, its administration, its audit, and what `import` asks."""

    counts: ClickHouseStore
    admin: ClickHouseAdmin
    audit: ClickHouseAudit
    import_facts: ClickHouseImportFacts
    one_server: Callable[[], AbstractContextManager[None]]  # see Engine.one_server

    async def ping(self) -> None:
        """Return if both summaries and inserts are answered. Raises as these two do."""
        await self.counts.ping_summary()
        await self.counts.ping_insert()


def make_store(engine: Engine, schema: StoreSchema) -> Store:
    """The store of this schema on this engine."""
    admin = ClickHouseAdmin(engine, schema, random_log_id=partial(secrets.randbits, 32))
    return Store(
        ClickHouseStore(engine, schema),
        admin,
        ClickHouseAudit(engine, schema),
        ClickHouseImportFacts(engine, schema),
        engine.one_server,
    )
