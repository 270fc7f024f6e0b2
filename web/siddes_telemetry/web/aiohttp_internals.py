"""Everything that this project uses of aiohttp beyond its documented API, each thing with its reason.

aiohttp documents a server (`web.Application`) and a client, but not the parser and the flow control below them. The
request parser (llhttp, in C) and the body streams are used here; the server is not (see connection.py). This module is
why aiohttp's version is pinned: for a new version, read it against this module first.

The class attributes of AiohttpProtocol are BaseProtocol's own slots under public names. They cost no call.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import EMPTY_PAYLOAD, HttpVersion10, HttpVersion11, StreamReader
from aiohttp.base_protocol import BaseProtocol  # undocumented, but StreamReader pauses and resumes reading through one
from aiohttp.helpers import rfc822_formatted_time  # undocumented; email.utils.formatdate is slow, and this is cached
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage  # undocumented: aiohttp parses only to serve

__all__ = [
    "EMPTY_PAYLOAD",
    "AiohttpProtocol",
    "HttpVersion10",
    "HttpVersion11",
    "RawRequestMessage",
    "StreamReader",
    "rfc822_formatted_time",
]


def _slot(name: str) -> Any:  # noqa: ANN401 - each slot has a type of its own
    """A slot of BaseProtocol, for use under another name: it is read as quickly as under its own."""
    return vars(BaseProtocol)[name]


class AiohttpProtocol(BaseProtocol):
    """An asyncio protocol with aiohttp's request parser and flow control, but without its server."""

    __slots__ = ()

    loop: asyncio.AbstractEventLoop = _slot("_loop")
    """asyncio tells a protocol its transport, but not its loop."""

    parser: HttpRequestParser | None = _slot("_parser")
    """Fed by `data_received`; None after `drop_parser`. BaseProtocol pauses it together with the transport."""

    reading_paused: bool = _slot("_reading_paused")
    """Whether a body's buffer is full. StreamReader pauses reading without a callback."""

    reading_held: bool = _slot("_buffer_paused")
    """Whether `hold_reading` is in force. There is no accessor."""

    writing_blocked: bool = _slot("_paused")
    """Whether the client does not take what was written. The public `writing_paused` costs a call per response."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, buffer_bytes: int, max_header_bytes: int, max_queued: int
    ) -> None:
        """Bodies pause reading at twice `buffer_bytes`; the parser pauses after `max_queued` unanswered requests."""
        parser = HttpRequestParser(
            self,
            loop,
            buffer_bytes,
            payload_exception=ConnectionError,
            max_field_size=max_header_bytes,
            auto_decompress=False,  # aiohttp answers bad gzip with 500 and ignores unknown encodings
            max_msg_queue_size=max_queued,
        )
        super().__init__(loop, parser)

    def drop_parser(self) -> None:
        """Parse no more, and free what the parser holds. aiohttp drops its parser in the same way."""
        self._parser = None

    def hold_reading(self) -> None:
        """Read no more until `release_reading`. Transports have one pause; this one respects StreamReader's too."""
        self._pause_reading_for_buffer()

    def release_reading(self) -> None:
        """Read again, unless a body's buffer is full. The counterpart of `hold_reading`."""
        self._resume_reading_for_buffer()

    def read_to_discard(self) -> None:
        """Read again whatever has paused it. StreamReader's own way to resume would feed the parser."""
        self._resume_transport_reading()

    async def flushed(self) -> None:
        """Return once the client took what was written. asyncio offers this to StreamWriter only.

        Raises ConnectionError where the connection is lost.
        """
        await self._drain_helper()
