"""An Engine over HTTP: a ClickHouse server, or any server of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from siddes_telemetry.backends.clickhouse import driver
from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.profile import PROFILE_QUERY_PINS, reset_clause
from siddes_telemetry.backends.clickhouse.server_address import DEFAULT_USER, ServerAddress
from siddes_telemetry.backends.clickhouse.server_connection import PROFILE_FRESH_S, ServerConnection
from siddes_telemetry.backends.clickhouse.settings import known_only
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles

SUMMARIES_AT_ONCE = 8  # of a process: each keeps one core of the server busy; more would queue there, in no order


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
        self._connection = ServerConnection(address, login, tls, profile_fresh_s=profile_fresh_s)

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        async with self._statement(settings, deadline_s) as sent:
            sql = f"{sql}{sent.reset_clause}"
            return await driver.query(sent.client, sql, parameters, bound=bound, settings=sent.settings)

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        async with self._statement(settings, deadline_s) as sent:
            await driver.command(sent.client, sql, settings=sent.settings)

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        async with self._statement(settings, deadline_s) as sent:
            await driver.insert(sent.client, f"{table}{sent.reset_clause}", block, settings=sent.settings)

    def look_at_files(self) -> None:
        """Look at the file of CAs before the next statement, and not in ten seconds."""
        self._connection.look_at_tls()

    async def close(self) -> None:
        await self._connection.close()

    @asynccontextmanager
    async def _statement(self, settings: Settings, deadline_s: float) -> AsyncIterator[_Statement]:
        """Yields what one statement is sent with. Translates every error of the driver."""
        names = {*PROFILE_QUERY_PINS, *settings}
        try:
            async with asyncio.timeout(deadline_s):
                client, profile = await self._connection.get()
                sent = {**profile.resets, **known_only(settings, profile.known)}
                names.update(sent)
                yield _Statement(client, sent, reset_clause(profile.reset_by_clause))
        except TimeoutError:
            raise StoreUnavailable("no answer before the deadline") from None
        except (ClickHouseError, aiohttp.ClientError, OSError) as error:
            failure = driver.failure_of(error, database=self._database, settings=names)
            if driver.is_about_a_setting(error):  # the server or its profile has changed
                self._connection.forget_profile()
            elif failure.code is None:
                self._connection.look_at_tls()
            raise failure from None  # the cause quotes what was sent
        except ValueError:
            raise StoreUnavailable("an answer that cannot be read") from None  # the cause quotes what was sent


@dataclass(frozen=True, slots=True)
class _Statement:
    """The client for a statement, the settings sent with it, and the clause at its end."""

    client: AsyncClient
    settings: dict[str, str | int]
    reset_clause: str
