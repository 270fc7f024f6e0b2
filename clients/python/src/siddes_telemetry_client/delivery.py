"""Sends what waits: the loop between the lanes and the transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import random as random_share
from uuid import UUID

from siddes_telemetry_client.batch import Batch
from siddes_telemetry_client.batch_id import new_id
from siddes_telemetry_client.calls import Call, clamped, may_be_event, may_be_token
from siddes_telemetry_client.clock import boot_clock_s
from siddes_telemetry_client.lanes import Lane, Lanes
from siddes_telemetry_client.retry import too_late
from siddes_telemetry_client.stats import Ledger, Reason, Stats
from siddes_telemetry_client.transport import Transport, Unreachable
from siddes_telemetry_client.verdict import Disabled, Refused, Taken, TryAgain, Verdict, judge

IN_FLIGHT = 4  # batches at once: a slow answer to one viewer does not hold up the rest

_log = logging.getLogger("siddes_telemetry_client")


@dataclass(frozen=True, slots=True)
class ConsumerContext:
    """What delivery needs of the world besides the network."""

    clock_s: Callable[[], float] = field(default=boot_clock_s)
    new_id: Callable[[], UUID] = field(default=new_id)
    random: Callable[[], float] = field(default=random_share)


class Delivery:
    """Batches calls and sends them until they are settled. For the one event loop that runs run()."""

    def __init__(
        self, transport: Transport, *, linger_s: float, max_waiting: int, surroundings: ConsumerContext | None = None
    ) -> None:
        around = surroundings or ConsumerContext()
        self._transport = transport
        self._clock_s = around.clock_s
        self._linger_s = linger_s
        self._max_waiting = max_waiting
        self._lanes = Lanes(linger_s, around.new_id, around.random)
        self._ledger = Ledger()
        self._in_flight: set[asyncio.Task[Verdict]] = set()
        self._changed = asyncio.Event()  # there may be something to send earlier than run() thinks
        self._idle = asyncio.Event()
        self._idle.set()
        self._flushes = 0
        self._over: Reason | None = None  # why nothing is taken any more

    @property
    def stats(self) -> Stats:
        """How things stand."""
        return self._ledger.stats(self._lanes.calls)

    def count(self, event: str, count: float, token: str) -> None:
        """Take a call, or drop it; a count of 0 is none. Raises TypeError where event or token is no text."""
        reason = self._objection(event, token)
        if count == 0:
            return
        self._ledger.called += 1
        if reason is None:
            self._lanes.add(token, Call(event, clamped(count)), self._clock_s())
            self._idle.clear()
            self._changed.set()
        elif self._ledger.drop(reason) and reason == "overflow":
            _log.warning("too many counts are waiting to be sent: some are dropped")

    async def run(self) -> None:
        """Send what is due, until cancelled. Requests are made in this task's context, not in that of a caller."""
        while True:
            self._changed.clear()
            self._send_what_is_due()
            next_s = self._lanes.next_s() if len(self._in_flight) < IN_FLIGHT else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if next_s is None else max(0.0, next_s - self._clock_s())):
                    await self._changed.wait()

    async def flush(self, timeout_s: float) -> bool:
        """Send without waiting for fuller batches; True as soon as nothing waits, False when the time is up."""
        self._flushes += 1
        self._lanes.linger(0.0)
        self._changed.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._flushes -= 1
            if not self._flushes:
                self._lanes.linger(self._linger_s)

    async def end(self) -> None:
        """Give up what is not settled; calls that still come are dropped."""
        self._over = self._over or "abandoned"
        for task in self._in_flight:
            task.cancel()
        self._forget(self._over)
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _objection(self, event: str, token: str) -> Reason | None:
        if not may_be_event(event):
            return "rejected"
        if not may_be_token(token):
            return "refused"
        return self._over or ("overflow" if self._lanes.calls >= self._max_waiting else None)

    def _send_what_is_due(self) -> None:
        while len(self._in_flight) < IN_FLIGHT and (taken := self._lanes.take(self._clock_s())) is not None:
            lane, batch = taken
            if too_late(batch.first_try_s, self._clock_s()):  # a long queue, or a machine that was suspended
                self._ledger.drop("expired", self._lanes.settled(lane))
                self._note_idle()
                continue
            task = asyncio.create_task(self._send(lane, batch))
            self._in_flight.add(task)
            task.add_done_callback(partial(self._landed, lane, batch))

    async def _send(self, lane: Lane, batch: Batch) -> Verdict:
        try:
            return judge(await self._transport.post(batch.body(), lane.token))
        except Unreachable:
            return TryAgain()

    def _landed(self, lane: Lane, batch: Batch, task: asyncio.Task[Verdict]) -> None:
        """Called for a task that was cancelled before it began, too; the loop reports an error nobody thought of."""
        self._in_flight.discard(task)
        self._changed.set()
        verdict: Verdict = TryAgain()
        try:
            if not task.cancelled():
                verdict = task.result()
        finally:
            self._settle(lane, batch, verdict)

    def _settle(self, lane: Lane, batch: Batch, verdict: Verdict) -> None:
        match verdict:
            case Taken(rejected):
                calls = self._lanes.settled(lane)
                lost = sum(entry.calls for place, entry in enumerate(batch.entries) if place in rejected)
                self._ledger.drop("rejected", lost)
                self._ledger.accepted += calls - lost
            case Refused():
                self._ledger.drop("refused", self._lanes.settled(lane))
            case TryAgain(after_s):
                self._ledger.drop("expired", self._lanes.failed(lane, after_s, self._clock_s()))
                if self._over is not None:
                    self._forget(self._over)
            case Disabled():
                self._ledger.drop("disabled", self._lanes.settled(lane))
                self._disable()
        self._note_idle()

    def _disable(self) -> None:
        if self._over is None:
            self._over = "disabled"
            _log.warning("telemetry is disabled on the server: counts are dropped from now on")
        self._forget("disabled")

    def _forget(self, reason: Reason) -> None:
        self._ledger.drop(reason, self._lanes.clear())
        self._note_idle()

    def _note_idle(self) -> None:
        if not self._lanes.calls:
            self._idle.set()
