"""Listening, and leaving without dropping what is in flight."""

from __future__ import annotations

import asyncio

import structlog

from siddes_telemetry.web.connection import App, Connection, Patience

log = structlog.get_logger(__name__)

BACKLOG = 2048  # connections the kernel holds while the loop is busy; it cuts this to its own somaxconn


class HttpServer:
    """Serves an App on one address."""

    def __init__(self, app: App, *, patience: Patience | None = None) -> None:
        self._app = app
        self._patience = patience or Patience()
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._drained: asyncio.Event | None = None  # set when the last connection is gone; None: not draining

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen; returns the port, which the kernel chooses for 0. `reuse_port`: several processes share it.

        Raises OSError where the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self.connection, host, port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
        return int(self._listener.sockets[0].getsockname()[1])

    def connection(self) -> Connection:
        """A connection that is about to be made."""
        connection = Connection(
            self._app,
            patience=self._patience,
            is_draining=lambda: self._drained is not None,
            gone=self._forget,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection

    @property
    def connections(self) -> int:
        """How many are open, or still work for a client that has gone."""
        return len(self._connections)

    async def stop(self, deadline_s: float) -> None:
        """Accept nothing more, answer what is in flight, close what is idle; after the deadline, cut the rest."""
        if self._listener is None:
            return
        self._listener.close()
        self._drained = asyncio.Event()
        for connection in tuple(self._connections):
            connection.close_if_idle()
        if not await self._gone_within(self._drained, deadline_s):
            log.warning("connections_cut_off", connections=len(self._connections))
            for connection in tuple(self._connections):
                connection.abort()
            await self._gone_within(self._drained, self._patience.closing_s)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._drained is not None and not self._connections:
            self._drained.set()

    async def _gone_within(self, drained: asyncio.Event, seconds: float) -> bool:
        if not self._connections:
            return True
        try:
            async with asyncio.timeout(seconds):
                await drained.wait()
        except TimeoutError:
            return False
        return True
