"""A TCP proxy that a test can cut or silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """Forwards bytes both ways, until it is to be cut or silent.

    `cut_at`: the bytes upon which a client's connection is cut before they pass; `seen`: how often they came.
    `kept_at`: the bytes whose first question is kept, and has no answer. `silent`: answers are lost. `instead`: what
    every question is answered with, which does not pass.
    """

    def __init__(self) -> None:
        self.cut_at: bytes | None = None
        self.seen = 0
        self.kept_at: bytes | None = None
        self.kept = asyncio.Event()
        self.silent = False
        self.instead: bytes | None = None

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[str]:
        """`url`, by way of this wire."""
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        writers: set[asyncio.StreamWriter] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            up_reader, up_writer = await asyncio.open_connection(host, port)
            writers.update((writer, up_writer))
            answers = asyncio.create_task(self._answers(up_reader, writer))
            try:
                await self._questions(reader, writer, up_writer)
            finally:
                answers.cancel()
                writer.close()
                up_writer.close()
                await asyncio.gather(answers, return_exceptions=True)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port_here = server.sockets[0].getsockname()[1]
            credentials = parts.netloc.rpartition("@")[0]
            yield parts._replace(netloc=f"{credentials}@127.0.0.1:{port_here}").geturl()
            for writer in writers:
                writer.close()

    async def _questions(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(65536):
            if self.instead is not None:
                if b" HTTP/1.1\r\n" in piece:
                    self.seen += 1
                    back.write(self.instead)
                    await back.drain()
                continue
            if self.cut_at is not None and self.cut_at in piece:
                self.seen += 1
                return
            if self.kept_at is not None and self.kept_at in piece:
                self.kept_at = None
                self.kept.set()
                continue
            writer.write(piece)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if not self.silent:
                writer.write(piece)
                await writer.drain()
