"""What a test does to one message on a wire: catch it at a named stage, look around, and decide what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

CAUGHT_S = 90.0  # within which something must step into a trap: a session time-out and a recovery fit


class Stage(Enum):
    """Where on its way a message is caught."""

    ARRIVED = auto()  # the server has heard nothing of it
    FORWARDED = auto()  # the server has it, and works on it
    ANSWERED = auto()  # the server has done it; who asked has heard nothing


class Fate(Enum):
    """What becomes of a caught message."""

    PASS = auto()  # it goes on as if nothing had been
    CUT = auto()  # the asker's connection breaks; what the server has heard stays done
    CUT_WITHIN = auto()  # the server hears half of it, then both connections break
    ERROR = auto()  # the asker is answered 500


class Trap:
    """For the next message of one kind at one stage; it holds that until its fate is decided."""

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
        """What becomes of what is held here, or will be; the first decision holds."""
        if not self._fate.done():
            self._fate.set_result(fate)

    async def hold(self) -> Fate:
        """For the wire: say that it is here, and wait for its fate."""
        self._caught.set()
        return await self._fate


class Traps:
    """Those of one wire. A trap catches once."""

    def __init__(self) -> None:
        self._set: list[Trap] = []

    @contextmanager
    def trap(self, kind: object, stage: Stage) -> Iterator[Trap]:
        """A trap for the time of the block; what it still holds then passes."""
        trap = Trap(kind, stage)
        self._set.append(trap)
        try:
            yield trap
        finally:
            if trap in self._set:
                self._set.remove(trap)
            trap.decide(Fate.PASS)

    async def fate(self, kind: object, stage: Stage) -> Fate:
        """For the wire: what becomes of a message that is here now."""
        for trap in self._set:
            if trap.kind == kind and trap.stage == stage:
                self._set.remove(trap)
                return await trap.hold()
        return Fate.PASS
