"""A ClickHouse server, or any server of a cluster, over HTTP by clickhouse-connect's async client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import aiohttp
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary

from siddes_telemetry.backends.clickhouse.driver import SentOnce, connect, failure_of
from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings, escape
from siddes_telemetry.backends.clickhouse.errors import (
    FIXED_SETTING,
    UNKNOWN_SETTING,
    fixed_settings,
    on_the_way,
    setting_in,
)
from siddes_telemetry.backends.clickhouse.profile import (
    ASK,
    ASK_PINS,
    HANDSHAKE_PINS,
    HIDDEN_PINS,
    Profile,
    read_profile,
    unsetting,
)
from siddes_telemetry.backends.clickhouse.settings import as_known
from siddes_telemetry.backends.ports.errors import StoreUnavailable

SUMMARIES_AT_ONCE = 8  # a process's: each keeps one core of the server busy; more would wait there, in no order
PROFILE_FRESH_S = 10.0  # a changed profile applies at once; asking again costs one statement of some milliseconds
ASKING_S = 10.0  # that question's deadline; so long do others go on with the last answer
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


class HttpEngine:
    """An Engine over HTTP. Connects at its first use, so that a server may come later than its clients."""

    summaries_at_once = SUMMARIES_AT_ONCE

    def __init__(self, address: ServerAddress, *, profile_fresh_s: float = PROFILE_FRESH_S) -> None:
        """`profile_fresh_s`: how old may be what the server said of the user's profile."""
        self._address = address
        self._profile_fresh_s = profile_fresh_s
        self._client: AsyncClient | None = None
        self._profile: Profile | None = None
        self._asked_s = 0.0
        self._asking = asyncio.Lock()

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        async with self._statement(settings, deadline_s) as sending:
            body = await sending.client.raw_query(
                f"{sql}{sending.clause}",
                parameters=dict(parameters),
                settings=sending.settings,
                fmt="JSONCompactEachRowWithNames",  # no rows are a line of names: nothing at all is nobody's answer
                external_data=ExternalData(
                    file_name="bound",
                    data=SentOnce(f"{escape(bound)}\n".encode()),  # type: ignore[arg-type]  # as in `insert`
                    fmt="TSV",
                    structure="value String",
                ),
            )
            if not body.startswith(b"["):
                raise on_the_way("not_clickhouse")
            return [json.loads(line) for line in body.splitlines()[1:]]

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        async with self._statement(settings, deadline_s) as sending:
            done = await sending.client.command(sql, settings=sending.settings)
            _check_answered(done)

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        async with self._statement(settings, deadline_s) as sending:
            done = await sending.client.raw_insert(
                f"{table}{sending.clause}",
                insert_block=SentOnce(block),  # type: ignore[arg-type]  # what it does not know it hands to aiohttp
                fmt="JSONEachRow",
                settings=sending.settings,
            )
            _check_answered(done)

    async def close(self) -> None:
        client, self._client, self._profile = self._client, None, None
        if client is not None:
            await client.close()

    @asynccontextmanager
    async def _statement(self, settings: Settings, deadline_s: float) -> AsyncIterator[_Sending]:
        """What one statement is sent with; what goes wrong with it becomes an error of ours."""
        names = {*ASK_PINS, *settings}
        try:
            async with asyncio.timeout(deadline_s):
                client, profile = await self._connected()
                sent = {**profile.put_back, **as_known(settings, profile.known)}
                names.update(sent)
                yield _Sending(client, sent, unsetting(profile.unset))
        except TimeoutError:
            raise StoreUnavailable("no answer before the deadline") from None
        except (ClickHouseError, aiohttp.ClientError, OSError) as error:
            if _is_about_a_setting(error):  # another server or profile by now: ask again
                self._profile = None
            # the cause quotes what was sent
            raise failure_of(error, database=self._address.database, settings=names) from None
        except ValueError:
            raise StoreUnavailable("an answer that cannot be read") from None  # the same

    async def _connected(self) -> tuple[AsyncClient, Profile]:
        client, profile = self._client, self._profile
        asked_now = self._asking.locked() and self._age_s() < self._profile_fresh_s + ASKING_S
        if client is None or profile is None or not asked_now:
            async with self._asking:
                client, profile = await self._asked()
        if profile.fixed:
            raise fixed_settings(profile.fixed)
        return client, profile

    async def _asked(self) -> tuple[AsyncClient, Profile]:
        """The client, connected, and a profile that is fresh."""
        if self._client is None:
            self._client, self._profile = await self._connect(), None
        client, profile = self._client, self._profile
        if profile is None or self._age_s() >= self._profile_fresh_s:
            now_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(ASKING_S):
                    profile = self._profile = await self._ask_profile(client)
            except DatabaseError as error:
                if _is_about_a_setting(error):  # one of the handshake, by now: connect again without it
                    await self.close()
                raise
            self._asked_s = now_s
        return client, profile

    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._asked_s

    async def _connect(self) -> AsyncClient:
        """A client that sends those of HANDSHAKE_PINS that the server knows and lets this user set."""
        address, pins = self._address, dict(HANDSHAKE_PINS)
        while True:
            try:
                return await connect(
                    address.scheme, address.host, address.port, address.user, address.password, pins=pins
                )
            except DatabaseError as error:
                del pins[_refused(error, pins)]

    async def _ask_profile(self, client: AsyncClient) -> Profile:
        """What the server says, asked with all of ASK_PINS that it knows and lets this user set."""
        pins = {name: value for name, value in ASK_PINS.items() if name not in HANDSHAKE_PINS}
        while True:
            try:
                body = await client.raw_query(ASK, settings=pins, fmt="JSONCompactEachRow")
            except DatabaseError as error:
                del pins[_refused(error, pins)]
            else:
                return read_profile([json.loads(line) for line in body.splitlines()])


@dataclass(frozen=True, slots=True)
class _Sending:
    """The client for a statement, the settings that go along, and the clause at its end."""

    client: AsyncClient
    settings: dict[str, str | int]
    clause: str


def _check_answered(done: object) -> None:
    """Raise StoreUnavailable where an answer without an error is not ClickHouse's, which names the statement's id.

    The servers of a cluster say instead what each of them did, in columns.
    """
    if not (done.query_id() if isinstance(done, QuerySummary) else done == "" or isinstance(done, list)):
        raise on_the_way("not_clickhouse")


def _is_about_a_setting(error: Exception) -> bool:
    return isinstance(error, DatabaseError) and error.code in (UNKNOWN_SETTING, FIXED_SETTING)


def _refused(error: DatabaseError, pins: Settings) -> str:
    """The pin that can be left out, since this server does not know it or does not let this user set it.

    Raises the error where it is about something else, or about a setting that may not be left out.
    """
    name = setting_in(str(error), pins) if _is_about_a_setting(error) else None
    if name is None or name in HIDDEN_PINS:
        raise error
    return name
