"""One question at a time about one thing: those who ask meanwhile share the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class SingleFlight(Generic[Key, Answer]):
    """Open questions, each a task of its own: an asker that goes away takes no answer with it.

    How many are open at a time is the questions' business.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Task[Answer]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._flights

    def start(self, key: Key, question: Callable[[], Coroutine[Any, Any, Answer]]) -> asyncio.Task[Answer]:
        """The open question, asked now if it was not."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(question())
            flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    async def ask(self, key: Key, question: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer, or what the question raised."""
        return await asyncio.shield(self.start(key, question))

    async def close(self) -> None:
        """Drop what is open."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: Key, flight: asyncio.Task[Answer]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen: nobody may be waiting any more
