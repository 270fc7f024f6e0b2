"""Who may ask now: so many at a time, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from siddes_telemetry.backends.ports.errors import StoreUnavailable


class QueryLimiter:
    """`at_once` callers at a time; the others wait, first come, first served, which asyncio.Semaphore promises.

    A server divides itself among all that it is asked, so that with many questions each takes as long as all; and a
    pool of connections gives a free one to whoever asks first, which is the caller that has just been answered.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self, deadline_s: float) -> AsyncIterator[float]:
        """One turn; gives what is left of the deadline then, in seconds. StoreUnavailable where it never came."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + deadline_s
        try:
            async with asyncio.timeout_at(ends_s):
                await self._free.acquire()
        except TimeoutError:
            raise StoreUnavailable("no turn before the deadline") from None
        try:
            yield ends_s - loop.time()
        finally:
            self._free.release()
