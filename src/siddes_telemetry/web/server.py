"""Listening, and leaving without dropping what is in flight."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from siddes_telemetry.web.connection import App, Connection, Patience

log = structlog.get_logger(__name__)

BACKLOG = 2048  # connections the kernel holds while the loop is busy; it cuts this to its own somaxconn


class HttpServer:
    """Serves an App on one address."""

    def __init__(self, app: App, *, patience: Patience | None = None) -> None:
        self._app = app
        self._patience = patience or Patience()
        self._connections: _Connections | None = None
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen; returns the port, which the kernel chooses for 0. `reuse_port`: several processes share it.

        Raises OSError where the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        self._connections = _Connections(self._app, self._patience)
        self._listener = await loop.create_server(
            self._connections, host, port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, deadline_s: float) -> None:
        """Accept nothing more, answer what is in flight, close what is idle; after the deadline, cut the rest."""
        if self._listener is None or self._connections is None:
            return
        self._listener.close()
        await self._connections.drain(deadline_s)


class _Connections(Server):
    """The open connections, which tell aiohttp's Server when they come and go."""

    def __init__(self, app: App, patience: Patience) -> None:
        super().__init__(cast("Any", None))  # the handler of aiohttp's own request loop, which Connection replaces
        self._app = app
        self._patience = patience
        self._drained: asyncio.Event | None = None  # set when the last connection is gone; None: not draining

    def __call__(self) -> Connection:
        return Connection(
            self, self._app, patience=self._patience, is_draining=lambda: self._drained is not None, loop=self._loop
        )

    def connection_lost(self, handler: RequestHandler, _exc: BaseException | None = None) -> None:
        # A handler may still be at work for a client that has gone: it counts until it is done
        task = cast("Connection", handler).serving
        if task is None:
            self._forget(handler)
        else:
            task.add_done_callback(lambda _: self._forget(handler))

    def _forget(self, handler: RequestHandler) -> None:
        self._connections.pop(handler, None)
        if self._drained is not None and not self._connections:
            self._drained.set()

    async def drain(self, deadline_s: float) -> None:
        self._drained = asyncio.Event()
        for connection in self._all():
            connection.close_if_idle()
        if not await self._gone_within(deadline_s):
            log.warning("connections_cut_off", connections=len(self._connections))
            for connection in self._all():
                connection.abort()
            await self._gone_within(self._patience.closing_s)

    def _all(self) -> list[Connection]:
        return cast("list[Connection]", self.connections)

    async def _gone_within(self, seconds: float) -> bool:
        if self._drained is None or not self._connections:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True
