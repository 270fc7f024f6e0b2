"""The kind of store by the engines of its tables, and what a read needs that must see all that was confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.clickhouse.confirmed_reads import ConfirmedReads, SharedRun
from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings
from siddes_telemetry.backends.clickhouse.table_kind import (
    CountsTable,
    StoreKind,
    TableEngine,
    UnsupportedTableError,
    counts_table,
)
from siddes_telemetry.backends.ports.errors import StoreMissing, StoreUnavailable
from siddes_telemetry.schemas.ddl import StoreSchema
from tests.unit.schemas.shipped import REGISTRY

COUNTS, STORED = "telemetry_counts", "telemetry_counts_local"
DISTRIBUTED = "Distributed('{}', 'siddes', 'telemetry_counts_local', cityHash64(viewer_id))"
KINDS = {
    "lone": ({COUNTS: "MergeTree"}, CountsTable(StoreKind.LONE)),
    "replicated": ({COUNTS: "ReplicatedMergeTree"}, CountsTable(StoreKind.REPLICATED)),
    "shared": ({COUNTS: "SharedMergeTree"}, CountsTable(StoreKind.SHARED)),
    "sharded": (
        {COUNTS: DISTRIBUTED.format("pair"), STORED: "ReplicatedMergeTree"},
        CountsTable(StoreKind.REPLICATED, "pair"),
    ),
    "sharded, with a name that needs quotes": (
        {COUNTS: DISTRIBUTED.format(r"o\'clock \\ {cluster}"), STORED: "ReplicatedMergeTree"},
        CountsTable(StoreKind.REPLICATED, r"o'clock \ {cluster}"),
    ),
}
UNSUPPORTED = {
    "engine of telemetry_counts must be": {COUNTS: "ReplacingMergeTree"},
    "must read telemetry_counts_local of the same database": {
        COUNTS: "Distributed('pair', 'other', 'telemetry_counts_local')",
        STORED: "ReplicatedMergeTree",
    },
    "is not on this server": {COUNTS: DISTRIBUTED.format("pair")},
    "must be replicated": {COUNTS: DISTRIBUTED.format("pair"), STORED: "MergeTree"},
    "engine of telemetry_counts_local must be": {COUNTS: DISTRIBUTED.format("pair"), STORED: "Memory"},
}


def engines(full: Mapping[str, str]) -> dict[str, TableEngine]:
    return {table: TableEngine(engine.partition("(")[0], engine) for table, engine in full.items()}


@pytest.mark.parametrize("name", KINDS)
def test_the_engine_tells_the_kind(name: str) -> None:
    full, expected = KINDS[name]
    assert counts_table(engines(full), "siddes", "Atomic") == expected


@pytest.mark.parametrize("problem", UNSUPPORTED)
def test_tables_that_migrate_does_not_make_are_refused(problem: str) -> None:
    with pytest.raises(UnsupportedTableError, match=problem):
        counts_table(engines(UNSUPPORTED[problem]), "siddes", "Atomic")


def test_a_replicated_database_with_a_merge_tree_is_refused_and_one_with_shared_tables_is_not() -> None:
    with pytest.raises(UnsupportedTableError, match="engine Replicated"):
        counts_table(engines({COUNTS: "MergeTree"}), "siddes", "Replicated")
    assert counts_table(engines({COUNTS: "SharedMergeTree"}), "siddes", "Replicated") == CountsTable(StoreKind.SHARED)


def test_no_table_is_no_kind() -> None:
    assert counts_table({}, "siddes", "Atomic") is None


@dataclass
class Server:
    """An engine with these tables, which records what it is sent."""

    tables: Mapping[str, str]
    ran: list[str] = field(default_factory=list)
    summaries_at_once: int = 1

    def one_server(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def read(
        self,
        sql: str,
        parameters: Parameters,  # noqa: ARG002  # the signature is the protocol's
        *,
        bound: str = "",  # noqa: ARG002  # as above
        settings: Settings,  # noqa: ARG002  # as above
        deadline_s: float,  # noqa: ARG002  # as above
    ) -> Sequence[Row]:
        if "system.tables" not in sql:
            return []
        return [[table, engine.name, engine.full, "Atomic"] for table, engine in engines(self.tables).items()]

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:  # noqa: ARG002  # as above
        self.ran.append(sql)

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None: ...

    async def close(self) -> None: ...


def reads_of(server: Server) -> ConfirmedReads:
    return ConfirmedReads(server, StoreSchema("siddes", None, 30, REGISTRY))


async def test_a_read_is_prepared_as_the_kind_needs_it() -> None:
    ran = {}
    for name, (full, _) in KINDS.items():
        server = Server(full)
        settings = await reads_of(server).settings_for(COUNTS)
        assert settings == ({"select_sequential_consistency": 1} if name == "shared" else {})
        ran[name] = server.ran
    assert ran == {
        "lone": [],
        "replicated": ["SYSTEM SYNC REPLICA `siddes`.`telemetry_counts` LIGHTWEIGHT"],
        "shared": [],
        "sharded": ["SYSTEM SYNC REPLICA ON CLUSTER 'pair' `siddes`.`telemetry_counts_local` LIGHTWEIGHT"],
        "sharded, with a name that needs quotes": [
            r"SYSTEM SYNC REPLICA ON CLUSTER 'o\'clock \\ {cluster}' `siddes`.`telemetry_counts_local` LIGHTWEIGHT"
        ],
    }


async def test_a_change_of_the_kind_holds_at_once_and_is_logged() -> None:
    server = Server({COUNTS: "MergeTree"})
    reads = reads_of(server)
    with capture_logs() as logs:
        for engine in ("MergeTree", "MergeTree", "ReplicatedMergeTree"):
            server.tables = {COUNTS: engine}
            await reads.watch()
            await reads.settings_for(COUNTS)
    assert [(line["log_level"], line["kind"]) for line in logs] == [("info", "lone"), ("warning", "replicated")]
    assert len(server.ran) == 1


async def test_tables_that_are_missing_or_unsupported_are_errors_in_words() -> None:
    with pytest.raises(StoreMissing):
        await reads_of(Server({})).settings_for(COUNTS)
    with pytest.raises(StoreUnavailable, match="must be replicated") as refused:
        await reads_of(Server(UNSUPPORTED["must be replicated"])).settings_for(COUNTS)
    assert refused.value.reason == "tables"


async def test_those_who_ask_while_a_run_is_under_way_share_the_next() -> None:
    ends: list[asyncio.Future[None]] = []

    async def action() -> None:
        ends.append(asyncio.get_running_loop().create_future())
        await ends[-1]

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    run = SharedRun(action)
    first = asyncio.ensure_future(run())
    await settle()
    others = [asyncio.ensure_future(run()) for _ in range(100)]
    await settle()
    assert len(ends) == 1
    ends[0].set_result(None)
    await settle()
    assert first.done()
    assert len(ends) == 2
    assert not any(other.done() for other in others), "a run that began before they asked is not theirs"
    ends[1].set_result(None)
    await asyncio.gather(*others)
    assert len(ends) == 2


async def test_a_run_that_fails_is_tried_again_by_the_next_who_waits() -> None:
    runs = 0

    async def action() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        if runs == 1:
            raise StoreUnavailable

    run = SharedRun(action)
    outcomes = await asyncio.gather(*(run() for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(StoreUnavailable) == 1
    assert runs == 2
