"""The servers of an address: which one a statement goes to, and when the next one is tried.

what happens at a server                          the statement            the next statement
no connection, or not ready within PATIENCE_S     goes to the next server  goes there, too
a query without an answer                         goes to the next server  goes there, too
anything else without an answer                   fails                    goes to the next server
ClickHouse's own error about this server alone    fails                    goes to the next server
any other error, any answer                       ends                     goes to this server

"Without an answer" is: the connection broke, what answers is not ClickHouse, or it does not even answer `SELECT 1`
meanwhile. A statement that was sent may have been carried out: the caller alone knows whether it may be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from clickhouse_connect.driver.asyncclient import AsyncClient

from siddes_telemetry.backends.clickhouse import driver
from siddes_telemetry.backends.clickhouse.errors import changed_server, of_server, other_store
from siddes_telemetry.backends.clickhouse.host_choice import HostChoice
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.profile import Profile
from siddes_telemetry.backends.clickhouse.server_address import ServerAddress
from siddes_telemetry.backends.clickhouse.server_connection import ServerConnection
from siddes_telemetry.backends.clickhouse.store_identity import IDENTITY_QUERY, OneStore, read_identity
from siddes_telemetry.backends.ports.errors import StoreFailed, StoreUnavailable
from siddes_telemetry.backends.tls_context import TlsContext
from siddes_telemetry.schemas.table import COUNTS_TABLE

# With several servers. One that is up connects and answers a small question in some milliseconds.
PATIENCE_S = 1.5
ASK_AGAIN_S = 1.0  # a statement that takes longer: is the server still there?

# Failures of one server, which another one need not have: its Keeper, its disk.
_OF_ONE_SERVER = frozenset({"read_only_table", "keeper", "disk_full", "disk", "damaged", "other_store"})

Result = TypeVar("Result")


class SilentServerError(Exception):
    """A server does not answer, and there are others."""


class Attempt:
    """A statement at one server. `is_sending`: whether it may have been sent. `cause`: the error of that."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self.is_sending = False
        self.cause: Exception | None = None

    def failed(self, error: Exception) -> None:
        """Note the error, if the statement may have been sent."""
        self.cause = error if self.is_sending else None


class Servers:
    """One connection for each host of an address. With one host nothing is tried twice, nor asked meanwhile."""

    def __init__(self, address: ServerAddress, login: Login, tls: TlsContext | None, *, profile_fresh_s: float) -> None:
        self._database = address.database
        self._choice = HostChoice(len(address.hosts))
        self._several = len(address.hosts) > 1
        self._one_store = OneStore()
        self._connections = [
            ServerConnection(
                host,
                login,
                tls,
                partial(self._check_identity, number) if self._several else None,
                profile_fresh_s=profile_fresh_s,
            )
            for number, host in enumerate(address.hosts)
        ]

    @contextmanager
    def one_server(self) -> Iterator[None]:
        """See Engine.one_server."""
        outer = _PIN.set(_PIN.get() or _Pin())
        try:
            yield
        finally:
            _PIN.reset(outer)

    def look_at_tls(self) -> None:
        """Look at the file of CAs before the next statement."""
        for connection in self._connections:
            connection.look_at_tls()

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            await connection.close()

    async def send(
        self,
        by: Callable[[Attempt], Awaitable[Result]],
        *,
        deadline_s: float,
        may_go_again: Callable[[Exception], bool],
    ) -> Result:
        """The result of `by`, which sends a statement to the server of an attempt and raises StoreFailed.

        `may_go_again`: whether a statement that was being sent may be sent again after this error of the driver.
        """
        pin = _PIN.get()
        tried: set[int] = set()
        failures: list[StoreFailed] = []
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    number = self._choice.current
                    if number in tried:
                        raise _worst(failures)
                    changes = self._choice.changes
                    if pin is not None and pin.changes not in (None, changes):
                        raise failures[-1] if failures else changed_server()
                    tried.add(number)
                    attempt = Attempt(self._connections[number])
                    try:
                        result = await by(attempt)
                    except StoreFailed as error:
                        if not self._leave(number, error):
                            raise
                        failures.append(of_server(error, number + 1))
                        if attempt.cause is not None and not may_go_again(attempt.cause):
                            raise failures[-1] from None
                    else:
                        if pin is not None:
                            pin.changes = changes
                        return result
        except TimeoutError:
            self._failed(number)
            raise StoreUnavailable("no answer before the deadline") from None

    async def ready(self, attempt: Attempt) -> tuple[AsyncClient, Profile]:
        """The server's client and profile. Raises SilentServerError, and as ServerConnection.get does."""
        try:
            async with asyncio.timeout(PATIENCE_S if self._several else None):
                return await attempt.server.get()
        except TimeoutError:
            raise SilentServerError from None

    async def watched(self, client: AsyncClient, asking: Awaitable[Result]) -> Result:
        """The result. Raises SilentServerError if the server is found silent meanwhile."""
        if not self._several:
            return await asking
        task = asyncio.ensure_future(asking)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=ASK_AGAIN_S)
                if not task.done() and not await driver.answers(client, within_s=PATIENCE_S) and not task.done():
                    raise SilentServerError
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _check_identity(self, number: int, client: AsyncClient) -> bool:
        """Whether the server has tables yet. Raises StoreUnavailable if they are not those of the store."""
        names = {"database": self._database, "counts": COUNTS_TABLE}
        rows = await driver.query(client, IDENTITY_QUERY, names, bound="", settings={})
        found = read_identity(rows)
        problem = self._one_store.problem(number, found)
        if problem is not None:
            raise other_store(problem)
        return found is not None

    def _leave(self, number: int, failure: StoreFailed) -> bool:
        """Go on to the next server if this failure is one of this server. Whether there is another."""
        if not self._several or (failure.code is not None and failure.reason not in _OF_ONE_SERVER):
            return False
        self._failed(number)
        return True

    def _failed(self, number: int) -> None:
        self._choice.failed(number, asyncio.get_running_loop().time())


class _Pin:
    """The server of a task's statements within `one_server`.

    `changes`: how often the server in use had changed when the last of them began; None before the first.
    """

    changes: int | None = None


_PIN: ContextVar[_Pin | None] = ContextVar("_PIN", default=None)


def _worst(failures: Sequence[StoreFailed]) -> StoreFailed:
    """The first one that says more than that there was no answer; of none, the last."""
    return next((failure for failure in failures if failure.reason != "unavailable"), failures[-1])
