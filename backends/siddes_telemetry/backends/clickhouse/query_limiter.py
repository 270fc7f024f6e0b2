"""Limits how many queries run at a time. The others wait, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from siddes_telemetry.backends.clickhouse.errors import busy


class QueryLimiter:
    """Lets `at_once` callers query at a time; the others queue, in the order that asyncio.Semaphore guarantees.

    A server divides itself among all its queries: with many at once, each takes as long as all of them together. A
    connection pool does not queue fairly: it gives a free connection to the caller that asks first, usually the one
    that was just answered.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def slot(self, deadline_s: float) -> AsyncIterator[float]:
        """Wait for a free slot and hold it. Yields the seconds left until the deadline.

        Raises StoreUnavailable (busy) if no slot gets free before the deadline.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + deadline_s
        try:
            async with asyncio.timeout_at(ends_s):
                await self._free.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            yield ends_s - loop.time()
        finally:
            self._free.release()
