"""A connection to a ClickHouse server that knows the settings of its user's profile.

The profile is read after the handshake, and again when it is PROFILE_FRESH_S old or a setting was refused. One task
reads it at a time. While it does, other statements use the last profile, for up to QUERY_TIMEOUT_S.

The password is looked at for each statement. The file of CAs is looked at when the profile is read again, and after a
connection has failed; if it was replaced, statements that begin from then on use new connections.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError

from siddes_telemetry.backends.clickhouse.driver import connect, is_about_a_setting, log_in
from siddes_telemetry.backends.clickhouse.engine import Settings
from siddes_telemetry.backends.clickhouse.error_text import setting_in
from siddes_telemetry.backends.clickhouse.errors import fixed_settings
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.profile import (
    HANDSHAKE_PINS,
    HIDDEN_PINS,
    PROFILE_QUERY,
    PROFILE_QUERY_PINS,
    Profile,
    read_profile,
)
from siddes_telemetry.backends.clickhouse.server_address import Host
from siddes_telemetry.backends.tls_context import TlsContext

PROFILE_FRESH_S = 10.0  # a changed profile applies at once on the server; reading it takes some milliseconds
QUERY_TIMEOUT_S = 10.0  # of reading the profile


Check = Callable[[AsyncClient], Awaitable[bool]]


class ServerConnection:
    """One client of clickhouse-connect (a pool of connections), and the profile of its user."""

    def __init__(
        self, host: Host, login: Login, tls: TlsContext | None, check: Check | None, *, profile_fresh_s: float
    ) -> None:
        """`check`: called when the profile is read. It raises if this server is not to be used.

        It returns False if it is to be called again before the next statement.
        """
        self._host = host
        self._check = check
        self._login = login
        self._tls = tls
        self._tls_in_use: ssl.SSLContext | None = None
        self._look_at_tls = False
        self._retired: set[asyncio.Task[None]] = set()
        self._profile_fresh_s = profile_fresh_s
        self._client: AsyncClient | None = None
        self._profile: Profile | None = None
        self._read_at_s = 0.0
        self._reading = asyncio.Lock()

    async def get(self) -> tuple[AsyncClient, Profile]:
        """The client, connected, and a profile that is fresh or being read anew.

        Raises the driver's errors, ValueError for a profile that cannot be parsed, and StoreUnavailable if the profile
        fixes settings that change results.
        """
        client, profile = self._client, self._profile
        others_read = self._reading.locked() and self._age_s() < self._profile_fresh_s + QUERY_TIMEOUT_S
        if client is None or profile is None or not others_read:
            async with self._reading:
                client, profile = await self._fresh()
        if profile.fixed:
            raise fixed_settings(profile.fixed)
        log_in(client, self._login)
        return client, profile

    def forget_profile(self) -> None:
        """Read the profile again before the next statement."""
        self._profile = None

    def look_at_tls(self) -> None:
        """Look at the file of CAs before the next statement."""
        self._look_at_tls = True

    async def close(self) -> None:
        """Close all connections."""
        client, self._client, self._profile = self._client, None, None
        if client is not None:
            await client.close()
        await asyncio.gather(*self._retired)

    async def _fresh(self) -> tuple[AsyncClient, Profile]:
        """The client, connected, and a fresh profile."""
        stale = self._profile is None or self._age_s() >= self._profile_fresh_s
        if stale or self._look_at_tls:
            self._retire_if_files_changed()
        if self._client is None:
            self._client, self._profile = await self._connect(), None
        client, profile = self._client, self._profile
        if stale or profile is None:
            now_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(QUERY_TIMEOUT_S):
                    profile = await self._query_profile(client)
                    settled = self._check is None or await self._check(client)
                    self._profile = profile if settled else None
            except DatabaseError as error:
                if is_about_a_setting(error):  # one of the handshake's is refused now: connect again without it
                    await self.close()
                raise
            self._read_at_s = now_s
        return client, profile

    def _retire_if_files_changed(self) -> None:
        """Use new connections from now on if the file of CAs was replaced. Statements under way keep theirs."""
        self._look_at_tls = False
        if self._client is not None and self._tls is not None and self._tls.current() is not self._tls_in_use:
            closing = asyncio.create_task(self._client.close())  # waits for its statements
            self._retired.add(closing)
            closing.add_done_callback(self._retired.discard)
            self._client = self._profile = None

    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._read_at_s

    async def _connect(self) -> AsyncClient:
        """A client that sends those of HANDSHAKE_PINS that the server knows and lets this user set."""
        pins = dict(HANDSHAKE_PINS)
        self._tls_in_use = self._tls.current() if self._tls else None
        while True:
            try:
                return await connect(self._host, self._login, self._tls_in_use, pins=pins)
            except DatabaseError as error:
                del pins[_refused_pin(error, pins)]

    async def _query_profile(self, client: AsyncClient) -> Profile:
        """The profile, queried with those of PROFILE_QUERY_PINS that the server knows and lets this user set."""
        pins = {name: value for name, value in PROFILE_QUERY_PINS.items() if name not in HANDSHAKE_PINS}
        while True:
            try:
                body = await client.raw_query(PROFILE_QUERY, settings=pins, fmt="JSONCompactEachRow")
            except DatabaseError as error:
                del pins[_refused_pin(error, pins)]
            else:
                return read_profile([json.loads(line) for line in body.splitlines()])


def _refused_pin(error: DatabaseError, pins: Settings) -> str:
    """The pin to leave out, because this server does not know it or does not let this user set it.

    Raises the error if it is about something else, or about a setting that must not be left out.
    """
    name = setting_in(str(error), pins) if is_about_a_setting(error) else None
    if name is None or name in HIDDEN_PINS:
        raise error
    return name
