"""A TLS proxy in front of a server that speaks plain TCP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.infrastructure.certificates import Identity

FAREWELL_S = 1.0  # for a client's answer to the end of its TLS


class TlsProxy:
    """Listens on a port of loopback, and passes bytes on to the server."""

    def __init__(self, server_port: int, folder: Path) -> None:
        self._server_port = server_port
        self.folder = folder
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._passages: set[asyncio.Task[None]] = set()
        self._awaited = (b"", asyncio.Event())
        self.connections = 0
        self.port = 0

    def show(self, identity: Identity) -> None:
        """Show this certificate from the next connection on."""
        self._context.load_cert_chain(*identity.written(self.folder, "proxy"))

    def passes(self, piece: bytes) -> asyncio.Event:
        """An event that is set when a client sends these bytes."""
        self._awaited = (piece, asyncio.Event())
        return self._awaited[1]

    def cut(self) -> None:
        """End all connections."""
        for passage in self._passages:
            passage.cancel()

    @asynccontextmanager
    async def listening(self, identity: Identity) -> AsyncIterator[TlsProxy]:
        """Listen, with this certificate."""
        self.show(identity)
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context, ssl_shutdown_timeout=FAREWELL_S
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*self._passages, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        passage = asyncio.create_task(self._pass(reader, writer))
        self._passages.add(passage)
        passage.add_done_callback(self._passages.discard)
        with suppress(asyncio.CancelledError):
            await passage

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            try:
                await asyncio.gather(self._forward(reader, up_writer), self._forward(up_reader, writer))
            finally:
                up_writer.close()
        except OSError:
            return
        finally:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
            if self._awaited[0] in piece:
                self._awaited[1].set()
        writer.close()
