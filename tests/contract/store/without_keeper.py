"""The statements of a cluster, and its reads, on servers that have no Keeper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import ServerAddress
from siddes_telemetry.backends.ports.errors import StoreFailed
from tests.contract.store.servers import CLUSTER

# After its access was checked, a statement ends with one of these.
NOT_HERE = {36: "not replicated", 139: "no worker of ON CLUSTER", 392: "no ON CLUSTER"}


class WithoutKeeper(HttpEngine):
    """An engine that takes MergeTree tables for replicated ones. `synchronized`: the SYSTEM SYNC REPLICA statements."""

    def __init__(self, address: ServerAddress) -> None:
        super().__init__(address)
        self.synchronized: list[str] = []

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        rows = await super().read(sql, parameters, bound=bound, settings=settings, deadline_s=deadline_s)
        return [["ReplicatedMergeTree" if field == "MergeTree" else field for field in row] for row in rows]

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        try:
            await super().run(sql, settings=settings, deadline_s=deadline_s)
        except StoreFailed as error:
            if not sql.startswith("SYSTEM SYNC REPLICA") or error.code not in NOT_HERE:
                raise
            self.synchronized.append(sql)


def without_cluster(statement: str) -> str:
    return statement.replace(f" ON CLUSTER '{CLUSTER}'", "")


def without_keeper(statement: str) -> str:
    """The statement for a table that is not replicated."""
    statement = without_cluster(statement).replace(" replicated_", " non_replicated_")
    statement = re.sub(r"ReplicatedMergeTree\([^)]*\)", "MergeTree", statement)
    return re.sub(r"non_replicated_deduplication_window_seconds = \d+,", "", statement)
