"""clickhouse-connect's async client as it is used here. All uses of its undocumented parts are in this module.

undocumented use                        why no documented API does it
AsyncClient(...)                        create_async_client sets `settings` only after the handshake, whose own queries
                                        would run under the server's profile
AsyncClient.__aenter__() without exit   the handshake has no documented method outside `async with`
client.headers                          a password is replaced while the client is in use
client._backend.connector_kwargs        `ca_cert` adds to the system's CAs, and is read once
client.server_settings = {}             the client drops settings that the server had not listed as writable at the
                                        handshake; the profile may have changed since
a Payload in place of bytes             raw_insert and ExternalData document bytes only. aiohttp would copy them, and
                                        the client resends bytes when a connection breaks; it does not resend a Payload

SentOnce also sets the attributes `_size` and `_consumed` of aiohttp's Payload: its documented subclasses cannot send a
body of bytes in pieces without a copy.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Collection, Iterator, Mapping

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, Error, OperationalError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary

from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings, escape
from siddes_telemetry.backends.clickhouse.errors import FIXED_SETTING, UNKNOWN_SETTING, connection_failure, failure
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.server_address import Host
from siddes_telemetry.backends.ports.errors import StoreFailed
from siddes_telemetry.backends.tls_failures import tls_reason

CONNECT_TIMEOUT_S = 5  # a server that is up accepts at once
SILENCE_TIMEOUT_S = 3600  # a long ALTER sends nothing until it is done; every call's own deadline is shorter
IDLE_S = 8.0  # below the 10 s after which an older server closes an idle connection
PIECE_BYTES = 256 * 1024  # of a body: written, then drained, before the next one
# The server holds an answer back until its statement has ended (wait_end_of_query): without this in a file on its disk,
# so that on a full disk even the smallest answer fails, with an error that is about something else.
ANSWER_BUFFER_BYTES = 16 * 1024 * 1024
NO_LIMIT = 0  # of connections: QueryLimiter bounds the summaries, and each partition has a few statements

# The driver raises these itself for an answer that is not ClickHouse's. ClickHouse's own errors have a number.
_RAISED_BY_DRIVER = (DatabaseError, OperationalError)
_REASON_OF: Mapping[type[BaseException], str] = {
    aiohttp.ClientConnectorDNSError: "name",
    aiohttp.ClientSSLError: "tls",  # without the numbers that its cause has
    aiohttp.ServerDisconnectedError: "closed",
}
_TLS_ALERT = "\\x15\\x03"  # how a TLS port begins its answer to http, as aiohttp quotes it


class SentOnce(Payload):
    """A body that is sent as it is, at most once."""

    _value: bytes

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    @property
    def is_sent(self) -> bool:
        """Whether any of it may have been sent."""
        return self._consumed

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._consumed = True  # so that aiohttp does not send it to the target of a redirect
        body = memoryview(self._value)
        for start in range(0, len(body), PIECE_BYTES):
            await writer.write(body[start : start + PIECE_BYTES])


async def connect(host: Host, login: Login, tls: ssl.SSLContext | None, *, pins: Settings) -> AsyncClient:
    """A client after its handshake. `pins` are sent with every statement, including those of the handshake.

    With `tls` it speaks https. Raises the driver's errors. The driver takes a proxy from the environment;
    cli/process_environment.py removes those.
    """
    client = AsyncClient(
        interface="http" if tls is None else "https",
        host=host.name,
        port=host.port,
        headers=dict(login.headers()),
        client_name="siddes-telemetry",
        compress=False,
        query_retries=0,
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=SILENCE_TIMEOUT_S,
        connector_limit=NO_LIMIT,
        connector_limit_per_host=NO_LIMIT,
        keepalive_timeout=IDLE_S,
        autogenerate_session_id=False,  # a session runs one statement at a time
    )
    client._backend.connector_kwargs["ssl"] = tls  # noqa: SLF001  # as said above
    client.set_client_setting("buffer_size", ANSWER_BUFFER_BYTES)
    for name, value in pins.items():
        client.set_client_setting(name, value)
    await client.__aenter__()
    client.server_settings = {}
    return client


def log_in(client: AsyncClient, login: Login) -> None:
    """Send the statements that begin from now on with the password of now."""
    client.headers.update(login.headers())


async def query(
    client: AsyncClient, sql: str, parameters: Parameters, *, bound: str, settings: dict[str, str | int]
) -> list[Row]:
    """The rows of a SELECT. `bound`: see Engine.read. Raises the driver's errors, ValueError or StoreUnavailable."""
    body = await client.raw_query(
        sql,
        parameters=dict(parameters),
        settings=settings,
        fmt="JSONCompactEachRowWithNames",  # even without rows there is a line of names: an empty body is no answer
        external_data=ExternalData(
            file_name="bound",
            data=SentOnce(f"{escape(bound)}\n".encode()),  # type: ignore[arg-type]  # passed on to aiohttp
            fmt="TSV",
            structure="value String",
        ),
    )
    if not body.startswith(b"["):
        raise connection_failure("not_clickhouse")
    return [json.loads(line) for line in body.splitlines()[1:]]


async def command(client: AsyncClient, sql: str, *, settings: dict[str, str | int]) -> None:
    """Run a statement that returns no rows. Raises the driver's errors, or StoreUnavailable."""
    _check_answered(await client.command(sql, settings=settings))


async def insert(client: AsyncClient, table: str, block: SentOnce, *, settings: dict[str, str | int]) -> None:
    """Insert JSONEachRow lines. Raises the driver's errors, or StoreUnavailable."""
    done = await client.raw_insert(
        table,
        insert_block=block,  # type: ignore[arg-type]  # passed on to aiohttp
        fmt="JSONEachRow",
        settings=settings,
    )
    _check_answered(done)


async def answers(client: AsyncClient, *, within_s: float) -> bool:
    """Whether the server answers anything at all within this time."""
    try:
        async with asyncio.timeout(within_s):
            await client.raw_query("SELECT 1")
    except DatabaseError as error:
        return error.code is not None
    except (TimeoutError, ClickHouseError, aiohttp.ClientError, OSError):
        return False
    return True


def is_unconnected(error: Exception) -> bool:
    """Whether the statement was not sent, because there was no connection to send it by."""
    return any(isinstance(cause, aiohttp.ClientConnectorError) for cause in _causes(error))


def failure_of(error: Exception, *, database: str, settings: Collection[str]) -> StoreFailed:
    """The error of ports/errors.py for an error of the driver, aiohttp or the system; see errors.failure."""
    if isinstance(error, Error) and error.code is not None:
        return failure(error.code, str(error), database=database, settings=settings)
    return connection_failure(_connection_reason(error) or "unavailable")


def is_about_a_setting(error: Exception) -> bool:
    """Whether the server refused a setting: it does not know it, or does not let this user change it."""
    return isinstance(error, DatabaseError) and error.code in (UNKNOWN_SETTING, FIXED_SETTING)


def _check_answered(done: object) -> None:
    """Raise StoreUnavailable if a response without an error is not ClickHouse's: those have a query id.

    With a cluster there is a list instead: what each server did.
    """
    if not (done.query_id() if isinstance(done, QuerySummary) else done == "" or isinstance(done, list)):
        raise connection_failure("not_clickhouse")


def _connection_reason(error: Exception) -> str | None:
    """Why a statement did not reach ClickHouse, by the classes of an error and its causes, if they tell."""
    causes = list(_causes(error))
    # The innermost first: it knows most.
    reason = next((reason for cause in reversed(causes) if (reason := _reason(cause)) is not None), None)
    if reason is None and type(error) in _RAISED_BY_DRIVER and len(causes) == 1:
        return "not_clickhouse"
    return reason


def _reason(cause: BaseException) -> str | None:
    reason = next((reason for kind, reason in _REASON_OF.items() if isinstance(cause, kind)), None)
    if reason is None:
        match cause:
            case ssl.SSLError():
                reason = tls_reason(cause)
                reason = (
                    "client_certificate_wanted" if reason == "client_certificate_refused" else reason
                )  # we have none
            case aiohttp.ClientConnectorError(os_error=ConnectionResetError()):  # established, and closed in its TLS
                reason = "no_tls"
            case aiohttp.ClientResponseError():  # the server does not speak HTTP
                reason = "tls_wanted" if _TLS_ALERT in cause.message else "not_clickhouse"
    return reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
