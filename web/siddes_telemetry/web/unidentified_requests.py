"""Requests of which it is not known yet who asks: their number is nobody's choice, so what they hold is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import RawRequestMessage
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.connection_limits import READ_BUFFER_BYTES

MAX_UNIDENTIFIED_BYTES = 32 * 1024 * 1024  # as they are sent: heads are held several times over, 250 MB at the worst
_MAX_UNREAD_BYTES = 2 * READ_BUFFER_BYTES  # of a body that nobody asks for; beyond, its connection is not read


class UnidentifiedRequests:
    """The requests that wait to be identified. Beyond the limit whoever has waited for longest is not waited for."""

    def __init__(self, limit: int = MAX_UNIDENTIFIED_BYTES) -> None:
        self._memory = ClientMemoryLimit(limit)

    @asynccontextmanager
    async def waiting(self, message: RawRequestMessage) -> AsyncIterator[None]:
        """While this request waits. Raises ApiError unavailable where others need the room."""
        try:
            async with asyncio.timeout(None) as timeout:
                one = _WaitingRequest(timeout)
                self._memory.set_usage(one, _size(message))
                try:
                    yield
                finally:
                    self._memory.set_usage(one, 0)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise ApiError(ErrorCode.unavailable) from None


class _WaitingRequest:
    """An Evictable (see client_memory.py)."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout

    def evict(self) -> None:
        self._timeout.reschedule(0.0)  # long ago: at the next turn of the loop


def _size(message: RawRequestMessage) -> int:
    """Bytes that came, or may come while it waits."""
    head = len(message.path) + sum([len(name) + len(value) for name, value in message.raw_headers])
    if message.chunked:
        return head + _MAX_UNREAD_BYTES
    return head + min(int(message.headers.get(hdrs.CONTENT_LENGTH, 0)), _MAX_UNREAD_BYTES)
