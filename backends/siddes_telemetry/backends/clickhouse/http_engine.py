"""An Engine over HTTP: a ClickHouse server, or one of several that are one store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from siddes_telemetry.backends.clickhouse import driver
from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings, with_identifiers
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.profile import PROFILE_QUERY_PINS, reset_clause
from siddes_telemetry.backends.clickhouse.server_address import DEFAULT_USER, ServerAddress
from siddes_telemetry.backends.clickhouse.server_connection import PROFILE_FRESH_S
from siddes_telemetry.backends.clickhouse.servers import Attempt, Servers, SilentServerError
from siddes_telemetry.backends.clickhouse.settings import known_only
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles

SUMMARIES_AT_ONCE = 8  # of a process: each keeps one core of the server busy; more would queue there, in no order

Result = TypeVar("Result")


class HttpEngine:
    """An Engine over HTTP. It connects when it is first used, so the server may start later than its clients."""

    summaries_at_once = SUMMARIES_AT_ONCE

    def __init__(
        self,
        address: ServerAddress,
        login: Login | None = None,
        tls: TlsContext | None = None,
        *,
        profile_fresh_s: float = PROFILE_FRESH_S,
    ) -> None:
        """`login`: instead of the user and password of the address. `tls`: for https, instead of the system's CAs.

        `profile_fresh_s`: how long the user's profile is used before it is read again.
        """
        self._database = address.database
        login = login or Login(address.user or DEFAULT_USER, RotatingSecret(address.password or ""))
        if tls is None and address.scheme == "https":
            tls = TlsContext(TlsFiles(of="clickhouse"))
        self._servers = Servers(address, login, tls, profile_fresh_s=profile_fresh_s)

    def one_server(self) -> AbstractContextManager[None]:
        return self._servers.one_server()

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        sql, parameters = with_identifiers(sql, parameters)

        async def send(sent: _Statement) -> Sequence[Row]:
            query = f"{sql}{sent.reset_clause}"
            return await driver.query(sent.client, query, parameters, bound=bound, settings=sent.settings)

        return await self._send(send, settings, deadline_s, may_go_again=lambda _: True)

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        async def send(sent: _Statement) -> None:
            await driver.command(sent.client, sql, settings=sent.settings)

        await self._send(send, settings, deadline_s, may_go_again=driver.is_unconnected)

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        body = driver.SentOnce(block)

        async def send(sent: _Statement) -> None:
            nonlocal body
            body = driver.SentOnce(block)
            await driver.insert(sent.client, f"{table}{sent.reset_clause}", body, settings=sent.settings)

        await self._send(send, settings, deadline_s, may_go_again=lambda _: not body.is_sent)

    def look_at_files(self) -> None:
        """Look at the file of CAs before the next statement, and not in ten seconds."""
        self._servers.look_at_tls()

    async def close(self) -> None:
        await self._servers.close()

    async def _send(
        self,
        send: Callable[[_Statement], Awaitable[Result]],
        settings: Settings,
        deadline_s: float,
        *,
        may_go_again: Callable[[Exception], bool],
    ) -> Result:
        """The result of `send` at one of the servers. `may_go_again`: see Servers.send."""

        async def at(attempt: Attempt) -> Result:
            return await self._at(attempt, send, settings)

        return await self._servers.send(at, deadline_s=deadline_s, may_go_again=may_go_again)

    async def _at(
        self, attempt: Attempt, send: Callable[[_Statement], Awaitable[Result]], settings: Settings
    ) -> Result:
        """The result of one server. Translates every error of the driver."""
        names = {*PROFILE_QUERY_PINS, *settings}
        try:
            client, profile = await self._servers.ready(attempt)
            sent = {**profile.resets, **known_only(settings, profile.known)}
            names.update(sent)
            attempt.is_sending = True
            statement = _Statement(client, sent, reset_clause(profile.reset_by_clause))
            return await self._servers.watched(client, send(statement))
        except Exception as error:
            attempt.failed(error)
            match error:
                case SilentServerError():
                    raise StoreUnavailable from None
                case ClickHouseError() | aiohttp.ClientError() | OSError():
                    failure = driver.failure_of(error, database=self._database, settings=names)
                    if driver.is_about_a_setting(error):  # the server or its profile has changed
                        attempt.server.forget_profile()
                    elif failure.code is None:
                        attempt.server.look_at_tls()
                    raise failure from None  # the cause quotes what was sent
                case ValueError():
                    raise StoreUnavailable("an answer that cannot be read") from None  # as above
            raise


@dataclass(frozen=True, slots=True)
class _Statement:
    """The client for a statement, the settings sent with it, and the clause at its end."""

    client: AsyncClient
    settings: dict[str, str | int]
    reset_clause: str
