"""Requests of which it is not known yet who asks: their number is nobody's choice, so what they hold is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs
from aiohttp.http_parser import RawRequestMessage

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.client_memory import ClientMemory
from siddes_telemetry.web.connection import READ_BUFFER_BYTES

MAX_UNIDENTIFIED_BYTES = 32 * 1024 * 1024  # as they are sent: heads are held several times over, 250 MB at the worst
_MAX_UNREAD_BYTES = 2 * READ_BUFFER_BYTES  # of a body that nobody asks for; beyond, its connection is not read


class UnidentifiedRequests:
    """The requests that wait to be identified. Beyond the limit whoever has waited for longest is not waited for."""

    def __init__(self, limit: int = MAX_UNIDENTIFIED_BYTES) -> None:
        self._held = ClientMemory(limit)

    @asynccontextmanager
    async def waiting(self, message: RawRequestMessage) -> AsyncIterator[None]:
        """While this request waits. Raises ApiError unavailable where others need the room."""
        try:
            async with asyncio.timeout(None) as patience:
                one = _One(patience)
                self._held.hold(one, _size(message))
                try:
                    yield
                finally:
                    self._held.hold(one, 0)
        except TimeoutError:
            if not patience.expired():
                raise
            raise ApiError(ErrorCode.unavailable) from None


class _One:
    """A Slow (see held.py)."""

    def __init__(self, patience: asyncio.Timeout) -> None:
        self._patience = patience

    def cut_off(self) -> None:
        self._patience.reschedule(0.0)  # long ago: at the next turn of the loop


def _size(message: RawRequestMessage) -> int:
    """Bytes that came, or may come while it waits."""
    head = len(message.path) + sum([len(name) + len(value) for name, value in message.raw_headers])
    if message.chunked:
        return head + _MAX_UNREAD_BYTES
    return head + min(int(message.headers.get(hdrs.CONTENT_LENGTH, 0)), _MAX_UNREAD_BYTES)
