"""clickhouse-connect's async client as it is used here, and what its errors mean."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError

from siddes_telemetry.backends.clickhouse.engine import Settings
from siddes_telemetry.backends.clickhouse.errors import failure, on_the_way
from siddes_telemetry.backends.ports.errors import StoreFailed

CONNECT_TIMEOUT_S = 5  # a server that is there accepts at once
SILENCE_TIMEOUT_S = 3600  # a long ALTER sends nothing until it is done; every call's own deadline is shorter
IDLE_S = 8.0  # below the 10 s after which an older server closes an idle connection
PIECE_BYTES = 256 * 1024  # of a body: then it waits until the server has taken it
NO_LIMIT = 0  # of connections: what comes at once is bounded before (summaries; a few statements for each partition)

# Raised by themselves for an answer: ClickHouse's own errors have a number, and its handshake is understood.
_ANSWERED = (DatabaseError, OperationalError)


class SentOnce(Payload):
    """A body as it is. aiohttp copies a BytesIO, and the driver sends bytes again where a connection breaks."""

    _value: bytes

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._consumed = True  # aiohttp does not take it to where it is redirected
        body = memoryview(self._value)
        for start in range(0, len(body), PIECE_BYTES):
            await writer.write(body[start : start + PIECE_BYTES])


async def connect(scheme: str, host: str, port: int, user: str, password: str, *, pins: Settings) -> AsyncClient:
    """A client after its handshake. `pins` go with every statement, those of the handshake included.

    Raises the driver's errors. It takes a proxy from the environment; cli/process_environment.py removes those.
    """
    client = AsyncClient(  # not create_async_client, which sets the settings after the handshake
        interface=scheme,
        host=host,
        port=port,
        username=user,
        password=password,
        client_name="siddes-telemetry",
        compress=False,
        query_retries=0,
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=SILENCE_TIMEOUT_S,
        connector_limit=NO_LIMIT,
        connector_limit_per_host=NO_LIMIT,
        keepalive_timeout=IDLE_S,
        autogenerate_session_id=False,  # a session takes one statement at a time
    )
    for name, value in pins.items():
        client.set_client_setting(name, value)
    await client.__aenter__()  # its handshake
    client.server_settings = {}  # else it leaves out settings by what was true at the handshake
    return client


def failure_of(error: Exception, *, database: str, settings: Collection[str]) -> StoreFailed:
    """The error of ports.py for one of the driver's, aiohttp's or the system's; see clickhouse_errors.failure."""
    if isinstance(error, Error) and error.code is not None:
        return failure(error.code, str(error), database=database, settings=settings)
    causes = list(_chain(error))
    if any(isinstance(cause, aiohttp.ClientConnectorDNSError) for cause in causes):
        return on_the_way("name")
    if any(isinstance(cause, (aiohttp.ClientSSLError, ssl.SSLError)) for cause in causes):
        return on_the_way("tls")
    if any(isinstance(cause, aiohttp.ClientResponseError) for cause in causes):  # it does not speak HTTP
        return on_the_way("not_clickhouse")
    if type(error) in _ANSWERED and len(causes) == 1:
        return on_the_way("not_clickhouse")
    return failure(None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
