"""The HTTP server: listens, limits the number of connections, and stops without dropping requests in flight."""

from __future__ import annotations

import asyncio
import socket
from heapq import nsmallest
from typing import cast

import structlog

from siddes_telemetry.web.client_memory import MAX_CLIENT_MEMORY_BYTES, MAX_CONNECTIONS, ClientMemoryLimit
from siddes_telemetry.web.connection import Connection
from siddes_telemetry.web.connection_closing import WaitingFor
from siddes_telemetry.web.connection_limits import ClientTimeouts
from siddes_telemetry.web.incoming_request import App
from siddes_telemetry.web.metrics import ConnectionMetrics

log = structlog.get_logger(__name__)

BACKLOG = 2048  # connections that wait in the kernel; Linux caps this at somaxconn
KERNEL_BUFFER_BYTES = 64 * 1024  # per direction and connection; the kernel doubles it. Its default grows to megabytes
MADE_ROOM_SHARE = 64  # one in this many connections is closed at a time, as it takes long to look at all


class Refused(asyncio.Protocol):
    """A connection beyond the limit: closed at once, so that the client can try elsewhere."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class HttpServer:
    """Serves an App on one address.

    It keeps at most `max_connections`. To admit one more, it closes connections that wait for their client, in the
    order of WaitingFor, the longest idle first. If all are busy, the new one is refused.
    """

    def __init__(
        self,
        app: App,
        *,
        timeouts: ClientTimeouts | None = None,
        max_connections: int = MAX_CONNECTIONS,
        max_client_memory_bytes: int = MAX_CLIENT_MEMORY_BYTES,
        metrics: ConnectionMetrics | None = None,
    ) -> None:
        """`max_client_memory_bytes`: the memory of all slow clients (see client_memory.py)."""
        self._app = app
        self._timeouts = timeouts or ClientTimeouts()
        self._max_connections = max_connections
        self._client_memory = ClientMemoryLimit(max_client_memory_bytes)
        self._metrics = metrics
        self._connections: dict[Connection, None] = {}  # in the order of their arrival
        self._listener: asyncio.Server | None = None
        self._draining = False
        self._drained: asyncio.Event | None = None  # set when the last connection is gone; None: not stopping

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen. Returns the port, which the kernel chooses if it is 0. `reuse_port`: several processes share it.

        Raises OSError if the address is in use or not of this machine.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self.admit, host, port, backlog=BACKLOG, reuse_port=reuse_port or None, start_serving=False
        )
        for listening in self._listener.sockets:  # accepted sockets inherit them
            for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                listening.setsockopt(socket.SOL_SOCKET, which, KERNEL_BUFFER_BYTES)
        await self._listener.start_serving()
        return int(self._listener.sockets[0].getsockname()[1])

    def admit(self) -> Connection | Refused:
        """The protocol for a new connection; Refused if there is no room."""
        if len(self._connections) >= self._max_connections:
            self._make_room()
            if len(self._connections) >= self._max_connections:
                if self._metrics is not None:
                    self._metrics.refused.inc()
                return Refused()
        return self.connection()

    def connection(self) -> Connection:
        """The protocol for a new connection, whatever their number."""
        connection = Connection(
            self._app,
            timeouts=self._timeouts,
            client_memory=self._client_memory,
            is_draining=lambda: self._draining,
            gone=self._forget,
            loop=asyncio.get_running_loop(),
        )
        self._connections[connection] = None
        if self._metrics is not None:
            self._metrics.opened()
        return connection

    @property
    def connections(self) -> int:
        """How many are open, or still work for a client that has disconnected."""
        return len(self._connections)

    @property
    def client_memory_bytes(self) -> int:
        """The memory of all slow clients."""
        return self._client_memory.used_bytes

    def end_keep_alive(self) -> None:
        """Accept connections and requests as before, but close each connection after its next response."""
        self._draining = True

    async def stop(self, deadline_s: float) -> None:
        """Accept no more connections, close idle ones, and wait for requests in flight; abort them at the deadline."""
        if self._listener is None:
            return
        self._listener.close()
        self.end_keep_alive()
        self._drained = asyncio.Event()
        for connection in tuple(self._connections):
            connection.close_if_idle()
        if not await self._gone_within(self._drained, deadline_s):
            log.warning("connections_cut_off", connections=len(self._connections))
            for connection in tuple(self._connections):
                connection.abort()
            await self._gone_within(self._drained, self._timeouts.closing_s)

    def _make_room(self) -> None:
        """Close some of the connections that wait for their client."""
        waiting = [(waits, each) for each in self._connections if (waits := each.waiting_for()) is not None]
        spared = nsmallest(max(1, self._max_connections // MADE_ROOM_SHARE), waiting, key=_by_need)
        for _, connection in spared:
            connection.make_room()
            self._forget(connection)
        if self._metrics is not None:
            self._metrics.shed.inc(len(spared))
        log.warning("connections_full", limit=self._max_connections, closed=len(spared))

    def _forget(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        del self._connections[connection]
        if self._metrics is not None:
            self._metrics.closed()
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


def _by_need(waiting: tuple[tuple[WaitingFor, float], Connection]) -> tuple[WaitingFor, float]:
    return waiting[0]
