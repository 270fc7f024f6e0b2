"""Traps of a proxy: a test holds one message at a stage of its way, and then decides its fate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

CAUGHT_S = 90.0  # for a message to be held: longer than a session time-out and a recovery


class Stage(Enum):
    """The stage at which a message is held."""

    ARRIVED = auto()  # the server has not received it
    FORWARDED = auto()  # the server works on it
    ANSWERED = auto()  # the server is done; the client has no answer yet


class Fate(Enum):
    """What happens to a held message."""

    PASS = auto()  # it goes on
    CUT = auto()  # the client's connection breaks; the server goes on
    CUT_WITHIN = auto()  # the server receives half of it, then both connections break
    ERROR = auto()  # the client is answered 500


class Trap:
    """Holds the next message of one kind at one stage, until its fate is decided."""

    def __init__(self, kind: object, stage: Stage) -> None:
        self.kind = kind
        self.stage = stage
        self._caught = asyncio.Event()
        self._fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()

    async def caught(self) -> None:
        """Wait until a message is held here."""
        async with asyncio.timeout(CAUGHT_S):
            await self._caught.wait()

    def decide(self, fate: Fate) -> None:
        """Decide the fate of the message that is, or will be, held here. Only the first decision counts."""
        if not self._fate.done():
            self._fate.set_result(fate)

    async def hold(self) -> Fate:
        """For the proxy: report a held message, and wait for its fate."""
        self._caught.set()
        return await self._fate


class Traps:
    """The traps of one proxy. Each holds one message."""

    def __init__(self) -> None:
        self._set: list[Trap] = []

    @contextmanager
    def trap(self, kind: object, stage: Stage) -> Iterator[Trap]:
        """Set a trap while the context lasts; a message that it still holds then passes."""
        trap = Trap(kind, stage)
        self._set.append(trap)
        try:
            yield trap
        finally:
            if trap in self._set:
                self._set.remove(trap)
            trap.decide(Fate.PASS)

    async def fate(self, kind: object, stage: Stage) -> Fate:
        """For the proxy: returns the fate of a message at this stage."""
        for trap in self._set:
            if trap.kind == kind and trap.stage == stage:
                self._set.remove(trap)
                return await trap.hold()
        return Fate.PASS
