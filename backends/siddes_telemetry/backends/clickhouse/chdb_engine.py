"""An Engine on chDB: ClickHouse in this process, on a folder of its own. One process has one folder, and no other.

We use chdb directly, because clickhouse-connect's chDB client writes each block to a temporary file first, which a
crash would leave behind. Here the block is part of the statement, as bytes. chdb documents only `query(str)`, but it
passes bytes on as they are; decoding a block of 20 MB would cost a copy. An error's number is parsed from its text,
because ChdbError has no attribute for it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlencode

from siddes_telemetry.backends.clickhouse.chdb_import import ChdbError, connect
from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings, escape, with_identifiers
from siddes_telemetry.backends.clickhouse.errors import failure
from siddes_telemetry.backends.clickhouse.settings import known_only
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.schemas.quoting import quote_string

SUMMARIES_AT_ONCE = 2
THREADS = 2 + SUMMARIES_AT_ONCE  # an insert and an admin statement need not wait for summaries
_CACHES = {  # bytes; the defaults are 5 GiB each, for a dedicated server
    "mark_cache_size": 64 * 1024 * 1024,
    "index_mark_cache_size": 8 * 1024 * 1024,
    "primary_index_cache_size": 64 * 1024 * 1024,
    "query_condition_cache_size": 8 * 1024 * 1024,
}
_CODE = re.compile(r"Code: (\d+)\.")

_T = TypeVar("_T")


class ChdbEngine:
    """Runs statements in threads of its own. A deadline ends the wait, and the statement itself soon after."""

    summaries_at_once = SUMMARIES_AT_ONCE

    def __init__(self, folder: Path) -> None:
        """Opens the folder, creating it if it is missing. Takes well under a second.

        Raises StoreUnavailable if another process has opened the folder, or this process another folder.
        """
        self.folder = folder.resolve()
        path = str(self.folder)
        if "?" in path:  # chDB would take what follows as options
            raise ValueError("chDB takes no question mark in its path")
        self._connections: SimpleQueue[Any] = SimpleQueue()
        try:
            for _ in range(THREADS):
                self._connections.put(connect(f"{path}?{urlencode(_CACHES)}"))
        except (RuntimeError, ChdbError):
            self._disconnect()
            raise StoreUnavailable("the folder of chDB cannot be opened") from None  # the cause quotes the path
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="chdb")
        self._closed = False
        self._known = frozenset(row[0] for row in self._query("SELECT name FROM system.settings", {}))

    def one_server(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        sql, parameters = with_identifiers(sql, parameters)
        statement = f"WITH bound AS (SELECT {{bound:String}} AS value) {sql}{self._clause(settings)}"
        values = {name: escape(str(value)) for name, value in {**parameters, "bound": bound}.items()}
        return await self._in_thread(lambda: self._query(statement, values), deadline_s)

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        statement = sql + self._clause(settings)
        await self._in_thread(lambda: self._query(statement, {}), deadline_s)

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        statement = f"INSERT INTO {table}{self._clause(settings)} FORMAT JSONEachRow\n".encode() + block
        await self._in_thread(lambda: self._query(statement, {}), deadline_s)

    async def close(self) -> None:
        """Wait for running statements, then shut chDB down."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._pool.shutdown, wait=True)
            await asyncio.to_thread(self._disconnect)

    def _clause(self, settings: Settings) -> str:
        known = known_only(settings, self._known)
        if not known:
            return ""
        return " SETTINGS " + ", ".join(f"{name} = {quote_string(str(value))}" for name, value in known.items())

    async def _in_thread(self, work: Callable[[], _T], deadline_s: float) -> _T:
        if self._closed:
            raise StoreUnavailable("closed")
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError:
            raise StoreUnavailable("no answer before the deadline") from None

    def _query(self, statement: str | bytes, parameters: dict[str, str]) -> list[Row]:
        connection = self._connections.get_nowait()  # there is one for each thread
        try:
            answer = connection.query(
                statement,
                "JSONCompactEachRow",
                params=parameters,
            ).bytes()
        except ChdbError as error:
            match = _CODE.match(str(error))
            raise failure(int(match[1]) if match else None, str(error)) from None  # the cause quotes the statement
        finally:
            self._connections.put(connection)
        return [json.loads(line) for line in (answer or b"").splitlines()]

    def _disconnect(self) -> None:
        while not self._connections.empty():
            self._connections.get_nowait().close()
