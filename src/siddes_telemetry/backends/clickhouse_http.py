"""A ClickHouse server, or any server of a cluster, over HTTP by clickhouse-connect's async client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from clickhouse_connect.driver.external import ExternalData

from siddes_telemetry.backends.clickhouse_engine import Parameters, Row, Settings, escape
from siddes_telemetry.backends.clickhouse_errors import UNKNOWN_SETTING, failure
from siddes_telemetry.backends.clickhouse_settings import as_known
from siddes_telemetry.backends.ports import StoreUnavailable

CONNECT_TIMEOUT_S = 5  # a server that is there accepts at once
SILENCE_TIMEOUT_S = 3600  # a long ALTER sends nothing until it is done; every call's own deadline is shorter
SUMMARIES_AT_ONCE = 8  # a process's: each keeps one core of the server busy; more would wait there, in no order
PIECE_BYTES = 256 * 1024  # of a body: then it waits until the server has taken it
NO_LIMIT = 0  # of connections: what comes at once is bounded before (summaries; a few statements for each partition)
DEFAULT_PORTS = {"http": 8123, "https": 8443}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens, and as whom to go there."""

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str


def parse_server_url(url: str) -> ServerAddress:
    """`http(s)://user:password@host:8123/database`; user, password and database may be left out.

    Raises ValueError, which does not quote it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None  # the cause quotes it
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not of the form http(s)://user:password@host:8123/database")
    return ServerAddress(
        parts.scheme,
        parts.hostname,
        port or DEFAULT_PORTS[parts.scheme],
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")) or "default",
    )


class SentOnce(Payload):
    """A body as it is. aiohttp copies a BytesIO, and the driver sends bytes again where a connection breaks."""

    _value: bytes

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        body = memoryview(self._value)
        for start in range(0, len(body), PIECE_BYTES):
            await writer.write(body[start : start + PIECE_BYTES])


class HttpEngine:
    """An Engine over HTTP. Connects at its first use, so that a server may come later than its clients."""

    summaries_at_once = SUMMARIES_AT_ONCE

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        async with self._answer(deadline_s) as client:
            body = await client.raw_query(
                sql,
                parameters=dict(parameters),
                settings=dict(as_known(settings, client.server_settings)),
                fmt="JSONCompactEachRow",
                external_data=ExternalData(
                    file_name="bound", data=f"{escape(bound)}\n".encode(), fmt="TSV", structure="value String"
                ),
            )
            return [json.loads(line) for line in body.splitlines()]

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        async with self._answer(deadline_s) as client:
            await client.command(sql, settings=dict(as_known(settings, client.server_settings)))

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        async with self._answer(deadline_s) as client:
            await client.raw_insert(
                table,
                insert_block=SentOnce(block),  # type: ignore[arg-type]  # what it does not know it hands to aiohttp
                fmt="JSONEachRow",
                settings=dict(as_known(settings, client.server_settings)),
            )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @asynccontextmanager
    async def _answer(self, deadline_s: float) -> AsyncIterator[AsyncClient]:
        """The client, for one statement; what goes wrong with it becomes an error of ours."""
        try:
            async with asyncio.timeout(deadline_s):
                yield await self._connected()
        except TimeoutError:
            raise StoreUnavailable("no answer before the deadline") from None
        except Error as error:
            if error.code == UNKNOWN_SETTING:  # the server was replaced by an older one: ask again what it knows
                await self.close()
            raise failure(error.code) from None  # the cause quotes what was sent
        except (ClickHouseError, aiohttp.ClientError, OSError):
            raise failure(None) from None  # the same

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                address = self._address
                self._client = await create_async_client(
                    interface=address.scheme,
                    host=address.host,
                    port=address.port,
                    username=address.user,
                    password=address.password,
                    client_name="siddes-telemetry",
                    compress=False,
                    query_retries=0,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    send_receive_timeout=SILENCE_TIMEOUT_S,
                    connector_limit=NO_LIMIT,
                    connector_limit_per_host=NO_LIMIT,
                )
            return self._client
