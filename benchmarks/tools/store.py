"""The real store on a real server: a ClickHouse of the benchmark's own, with the tables that `migrate` makes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from benchmarks.tools.clickhouse import local_clickhouse
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.query_limiter import QueryLimiter
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, time_limit
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.store import make_store
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.table import COUNTS_TABLE
from tests.infrastructure.clickhouse import MEMORY_BYTES

T = TypeVar("T")

RETENTION_DAYS = 30
DEADLINE_S = 600.0  # of one statement of ours: a merge of a day, an INSERT SELECT of millions
MERGED_POLL_S = 0.2


class RealStore:
    """The project's own store object, and statements beside it. Synchronous: one call at a time."""

    def __init__(self, runner: asyncio.Runner, engine: HttpEngine, schema: StoreSchema, pid: int) -> None:
        self.pid = pid  # of the server
        self._runner = runner
        self._engine = engine
        self._limiter = QueryLimiter(engine.summaries_at_once)
        self._database = schema.database
        store = make_store(engine, schema)
        self.counts: ClickHouseStore = store.counts
        self.table = schema.table(COUNTS_TABLE)
        self._wide = schema.table(f"{COUNTS_TABLE}_wide")
        self.do(store.admin.migrate())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """What a call of the store returns."""
        return self._runner.run(work)

    def run(self, statement: str) -> None:
        self.do(self._engine.run(statement, settings={}, deadline_s=DEADLINE_S))

    def ask(self, question: str) -> list[list[Any]]:
        """The rows of a SELECT about the counts' parts or columns; `{table}` and `{database}` are bound."""
        names = {"table": COUNTS_TABLE, "database": self._database}
        return [list(row) for row in self.do(self._engine.read(question, names, settings={}, deadline_s=DEADLINE_S))]

    async def select_1(self, viewer: str, *, deadline_s: float) -> object:
        """`SELECT 1`, sent as a summary is: in a query slot, with a viewer, but with no settings of its own."""
        async with self._limiter.slot(deadline_s) as left_s:
            settings = {**READ_PINS, **time_limit(left_s)}
            return await self._engine.read("SELECT 1", {}, bound=viewer, settings=settings, deadline_s=left_s)

    def merge(self) -> None:
        """One part for each day, a day at a time."""
        parts = "FROM system.parts WHERE active AND database = {database:String} AND table = {table:String}"
        for (day,) in self.ask(f"SELECT DISTINCT partition_id {parts} ORDER BY partition_id"):
            self.run(f"OPTIMIZE TABLE {self.table} PARTITION ID '{day}' FINAL")

    def settle(self, poll_s: float = MERGED_POLL_S) -> None:
        """Wait until no merge runs: what one leaves behind is not the next one's to bear."""
        while self.ask("SELECT count() FROM system.merges")[0][0]:
            time.sleep(poll_s)

    def size(self) -> tuple[int, int]:
        """(rows, bytes on disk) of what is active."""
        ((rows, size),) = self.ask(
            "SELECT toUInt64(sum(rows)), toUInt64(sum(bytes_on_disk)) FROM system.parts "
            "WHERE active AND database = {database:String} AND table = {table:String}"
        )
        return int(rows), int(size)

    def memory(self) -> tuple[int, int]:
        """(bytes of the primary key in memory, bytes of the marks) of what is active, once all keys are loaded."""
        self.ask(f"SELECT count() FROM {self.table} WHERE viewer_id = 'nobody'")
        ((keys, marks),) = self.ask(
            "SELECT toUInt64(sum(primary_key_bytes_in_memory_allocated)), toUInt64(sum(marks_bytes)) FROM system.parts "
            "WHERE active AND database = {database:String} AND table = {table:String}"
        )
        return int(keys), int(marks)

    def column_bytes(self, days_ago: int = 3) -> dict[str, float]:
        """Compressed bytes a row, by column: of one day, in a table with a file for each.

        A part that keeps its columns in one file does not say what each of them takes.
        """
        wide, day = self._wide, f"toDate(now(), 'UTC') - {days_ago}"
        self.run(f"CREATE TABLE {wide} AS {self.table}")
        self.run(f"ALTER TABLE {wide} MODIFY SETTING min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0")
        self.run(f"INSERT INTO {wide} SELECT * FROM {self.table} WHERE toDate(created_at) = {day}")
        self.run(f"OPTIMIZE TABLE {wide} FINAL")
        sizes = self.ask(
            "SELECT column, sum(column_data_compressed_bytes) / sum(rows) AS size FROM system.parts_columns "
            "WHERE active AND database = {database:String} AND table = concat({table:String}, '_wide') "
            "GROUP BY column ORDER BY size DESC"
        )
        self.run(f"DROP TABLE {wide} SYNC")
        return {column: float(size) for column, size in sizes}


@contextmanager
def real_store(cache: Path, folder: Path, *, memory_bytes: int = MEMORY_BYTES) -> Iterator[RealStore]:
    """A server in this folder, made here, and the store on it, migrated. Raises Unavailable."""
    with (
        local_clickhouse(cache, folder, memory_bytes=memory_bytes) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        address = parse_server_url(server.url)
        engine = HttpEngine(address)
        try:
            schema = StoreSchema(address.database, None, RETENTION_DAYS, load_registry(None))
            yield RealStore(runner, engine, schema, server.pid)
        finally:
            runner.run(engine.close())
