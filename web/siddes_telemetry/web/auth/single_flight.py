"""One request at a time for each key; callers that come meanwhile share its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """Requests under way, each in its own task: a caller that is cancelled does not cancel the request.

    Does not limit how many keys have a request at a time.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Task[Result]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._flights

    def start(self, key: Key, request: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """The task of the request under way, which starts now if there is none."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(request())
            flight.add_done_callback(lambda done: self._remove(key, done))
        return flight

    async def result(self, key: Key, request: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of the request under way, or what it raises."""
        return await asyncio.shield(self.start(key, request))

    async def close(self) -> None:
        """Cancel all requests under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _remove(self, key: Key, flight: asyncio.Task[Result]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # marks it as retrieved: there may be no caller left
