"""A stop of this process, in two steps: it is asked for, and after the drain delay it begins.

    state     event                          next      does
    RUNNING   a signal, or `ask`             DRAINING  sets `asked`: not ready any more, but everything is served
    DRAINING  a signal within SAME_STOP_S    DRAINING  - : it is the first one, by another way
    DRAINING  the delay is over, a signal    STOPPING  sets `begun`: the public port closes
    any       `begin`                        STOPPING  sets both
    STOPPING  anything                       STOPPING  -

Within the delay load balancers learn that this process is not ready, and send requests elsewhere. Without a delay both
steps are one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

SAME_STOP_S = 1.0  # wrappers such as `timeout` pass on a signal that all processes of the group have got already

log = structlog.get_logger(__name__)


class StopRequest:
    """`asked` and `begun` are events to await. `on_begin` is called when the stop begins."""

    def __init__(self, delay_s: float, on_begin: Callable[[], object]) -> None:
        self.asked = asyncio.Event()
        self.begun = asyncio.Event()
        self._delay_s = delay_s
        self._on_begin = on_begin
        self._timer: asyncio.TimerHandle | None = None
        self._signalled_at_s: float | None = None  # first

    def signalled(self) -> None:
        """A stop signal came. A second one ends the delay, if it comes SAME_STOP_S later or more."""
        now_s = asyncio.get_running_loop().time()
        if self._signalled_at_s is None:
            self._signalled_at_s = now_s
            self.ask()
        elif now_s - self._signalled_at_s >= SAME_STOP_S:
            self.begin()

    def ask(self) -> None:
        """Begin the stop after the delay."""
        if self.asked.is_set():
            return
        if not self._delay_s:
            self.begin()
            return
        log.info("draining", delay_s=self._delay_s)
        self.asked.set()
        self._timer = asyncio.get_running_loop().call_later(self._delay_s, self.begin)

    def begin(self) -> None:
        """Begin the stop now."""
        if self.begun.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        log.info("stopping")
        self.asked.set()
        self.begun.set()
        self._on_begin()
