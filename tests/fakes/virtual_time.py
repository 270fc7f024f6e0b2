"""An event loop whose clock jumps to the next timer when there is nothing to do: minutes pass in microseconds.

With seeded randomness a run is repeatable to the last callback: there are no threads and no waits for the machine.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

P = ParamSpec("P")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


STEP_S = 1e-6  # what a round of the loop takes: time never stands still


class Standstill(RuntimeError):
    """Every task waits, and no timer is set: a deadlock."""


class _Clock(selectors.DefaultSelector):
    """Advances the clock where the loop would sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # there are no files to wait for either
            raise Standstill
        self.now_s += timeout or STEP_S
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual; work for an executor runs in the loop."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def run_in_executor(
        self,
        executor: object,  # noqa: ARG002 - the signature is asyncio's
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()

        def run() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - handed on, as an executor does
                future.set_exception(error)

        self.call_soon(run)
        return future


def run_in_virtual_time(main: Coroutine[Any, Any, Result]) -> Result:
    """Run the coroutine on a virtual clock; returns its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, Result]]) -> Callable[P, Result]:
    """Decorates a test that runs on a virtual clock."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> Result:
        return run_in_virtual_time(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object], *, within_s: float = 600.0, step_s: float = 0.01) -> None:
    """Let virtual time pass until the condition holds; fails if it does not within that time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - virtual time is free, and the condition may be about anything
            await asyncio.sleep(step_s)
