"""A memory limit for requests that wait for authentication: no rate limit applies before the viewer is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import RawRequestMessage
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.connection_limits import READ_BUFFER_BYTES

MAX_UNIDENTIFIED_BYTES = 32 * 1024 * 1024  # as sent; parsed heads take several times that, 250 MB at most
_MAX_UNREAD_BYTES = 2 * READ_BUFFER_BYTES  # of a body that is not read yet; beyond, its connection pauses reading


class UnidentifiedRequests:
    """The requests that wait for authentication. Beyond the limit, the oldest is answered 503."""

    def __init__(self, limit: int = MAX_UNIDENTIFIED_BYTES) -> None:
        self._memory = ClientMemoryLimit(limit)

    @asynccontextmanager
    async def waiting(self, message: RawRequestMessage) -> AsyncIterator[None]:
        """Holds while this request waits. Raises ApiError unavailable if it is evicted."""
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
        self._timeout.reschedule(0.0)  # in the past: expires in the next event loop iteration


def _size(message: RawRequestMessage) -> int:
    """Bytes that have arrived, or may arrive while it waits."""
    head = len(message.path) + sum([len(name) + len(value) for name, value in message.raw_headers])
    if message.chunked:
        return head + _MAX_UNREAD_BYTES
    return head + min(int(message.headers.get(hdrs.CONTENT_LENGTH, 0)), _MAX_UNREAD_BYTES)
