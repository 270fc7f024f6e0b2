"""Hosts that may freeze: an event loop that knows which simulated process each callback belongs to.

A process's tasks run in a context that names its host. While the host stands still, its callbacks and timers are held
back, and run when it goes on; everything else proceeds. So a consumer may be stopped between any two of its steps.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, TypeVarTuple

from tests.fakes.virtual_time import VirtualTimeLoop

SERVER = Context()  # the context of the broker and the store: no process's death or sleep affects it
_HOST: ContextVar[Host | None] = ContextVar("host", default=None)

Arguments = TypeVarTuple("Arguments")


class Host:
    """The machine of one process, and its network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False  # its messages are no longer sent
        self.reads_all = True  # its consumer is the newer of two versions
        self.forgot_events = False  # its consumer was started with the registry of another app
        self.cut_off = False  # nothing reaches it; its messages are lost, or arrive when this is over
        self.waiting: list[Callable[[], None]] = []  # messages that arrive when it is no longer cut off
        self.context = Context()
        self.context.run(_HOST.set, self)
        self._frozen_s: float | None = None  # since when
        self._held: list[asyncio.Handle] = []
        self._suspended_s = 0.0

    @property
    def audible(self) -> bool:
        """Whether its heartbeats reach the broker."""
        return not (self.dead or self.cut_off or self.frozen)

    @property
    def frozen(self) -> bool:
        return self._frozen_s is not None

    def monotonic_s(self) -> float:
        """A clock that stands still while the machine is suspended."""
        return asyncio.get_running_loop().time() - self._suspended_s

    def freeze(self) -> None:
        self._frozen_s = asyncio.get_running_loop().time()

    def thaw(self, *, suspended: bool) -> None:
        """Continue. `suspended`: the whole machine slept, so the timers of its processes stood still as well."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HostLoop)
        assert self._frozen_s is not None
        slept_s, self._frozen_s = loop.time() - self._frozen_s, None
        held, self._held = self._held, []
        if suspended:
            self._suspended_s += slept_s
            loop.delay_timers(self, slept_s, held)
        loop.go_on(held, timers=not suspended)

    def holds_back(self, handle: asyncio.Handle) -> bool:
        if self._frozen_s is None:
            return False
        self._held.append(handle)
        return True


def current_host() -> Host:
    """The host of the process that runs now."""
    host = _HOST.get()
    assert host is not None
    return host


class _HostHandle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        host: Host | None = self._context.get(_HOST)  # type: ignore[attr-defined]  # asyncio keeps it there, untyped
        if host is None or not host.holds_back(self):
            super()._run()


class _HostTimer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        host: Host | None = self._context.get(_HOST)  # type: ignore[attr-defined]  # asyncio keeps it there, untyped
        if host is None or not host.holds_back(self):
            super()._run()


class HostLoop(VirtualTimeLoop):
    """Virtual time, and hosts that may freeze. Uses private parts of asyncio's BaseEventLoop: no public API exists."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[Any]

    def _call_soon(self, callback: Callable[..., object], args: Any, context: Context | None) -> asyncio.Handle:
        handle = _HostHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _HostTimer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # asyncio keeps it there, untyped
        return timer

    def delay_timers(self, host: Host, seconds: float, held: list[asyncio.Handle]) -> None:
        """Delay the host's timers by this, also those in `held`."""
        late = [timer for timer in held if isinstance(timer, _HostTimer)]
        for timer in self._scheduled:
            if timer._context.get(_HOST) is host:
                timer._when += seconds
        for timer in late:
            timer._when += seconds  # type: ignore[attr-defined]  # asyncio keeps it there, untyped
            timer._scheduled = True  # type: ignore[attr-defined]  # asyncio keeps it there, untyped
            self._scheduled.append(timer)
        heapq.heapify(self._scheduled)

    def go_on(self, held: list[asyncio.Handle], *, timers: bool) -> None:
        """Run the callbacks that were held back, in order, and with `timers` the timers too."""
        self._ready.extend(handle for handle in held if timers or not isinstance(handle, _HostTimer))
