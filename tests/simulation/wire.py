"""Requests and answers between a host and a server: each arrives, maybe late, or is lost, whatever the sender does.

The server works independently of the sender, which may be dead, or have given up, by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulation.faults import Faults
from tests.simulation.hosts import SERVER, Host

LATEST_S = 71.0  # the greatest age of a message on arrival: the network does not retransmit without a limit


class Wire:
    """The connection to one server. `refused` and `silent` make the errors for no connection and for no answer."""

    def __init__(
        self,
        faults: Faults,
        *,
        reachable: Callable[[], bool],
        refused: Callable[[], Exception],
        silent: Callable[[], Exception],
    ) -> None:
        self._faults = faults
        self._reachable = reachable
        self._refused = refused
        self._silent = silent

    async def ask(
        self,
        host: Host,
        serve: Callable[[], object],
        *,
        kind: str,
        patience_s: float,
        times: float = 1.0,
    ) -> Any:
        """The result or exception of `serve` in the server, or of the future that it returns."""
        if host.dead or not self._reachable():
            await asyncio.sleep(0.001)
            raise self._refused()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        passage = self._faults.passage(kind, times)
        arrive = partial(self._arrive, host, serve, answer, passage.back_s, loop.time() + LATEST_S)
        if passage.there_s is not None:
            if not host.cut_off:
                loop.call_later(passage.there_s, arrive, context=SERVER)
            elif self._faults.rng.random() < 0.5:
                host.waiting.append(arrive)
        impatience = loop.call_later(patience_s, self._fail, answer, self._silent)
        try:
            return await answer
        finally:
            impatience.cancel()

    def _arrive(
        self,
        host: Host,
        serve: Callable[[], object],
        answer: asyncio.Future[Any],
        back_s: float | None,
        latest_s: float,
    ) -> None:
        if asyncio.get_running_loop().time() > latest_s:
            return
        if not self._reachable():
            self._fail(answer, self._refused)
            return
        try:
            served = serve()
        except Exception as error:  # noqa: BLE001 - handed on to the asker
            self._later(host, answer, back_s, partial(_set_exception, answer, error))
            return
        if isinstance(served, asyncio.Future):
            served.add_done_callback(partial(self._served, host, answer, back_s), context=SERVER)
        else:
            self._later(host, answer, back_s, partial(answer.set_result, served))

    def _served(
        self, host: Host, answer: asyncio.Future[Any], back_s: float | None, served: asyncio.Future[Any]
    ) -> None:
        if served.cancelled():
            return
        error = served.exception()
        self._later(
            host,
            answer,
            back_s,
            partial(answer.set_result, served.result()) if error is None else partial(_set_exception, answer, error),
        )

    def _later(self, host: Host, answer: asyncio.Future[Any], back_s: float | None, give: Callable[[], None]) -> None:
        def come_back() -> None:
            if not answer.done() and not host.cut_off and not host.dead:
                give()

        if back_s is not None:
            asyncio.get_running_loop().call_later(back_s, come_back, context=SERVER)

    def _fail(self, answer: asyncio.Future[Any], error: Callable[[], Exception]) -> None:
        if not answer.done():
            answer.set_exception(error())


def _set_exception(answer: asyncio.Future[Any], error: BaseException) -> None:
    answer.set_exception(error)
