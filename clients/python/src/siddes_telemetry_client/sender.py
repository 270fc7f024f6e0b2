"""Sends batches when they are due: the loop between the scheduler and the transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import random
from uuid import UUID

from siddes_telemetry_client.batch import Batch, Call
from siddes_telemetry_client.batch_id import new_id
from siddes_telemetry_client.clock import boot_clock_s
from siddes_telemetry_client.response import Accepted, Disabled, Outcome, Refused, Retry, outcome_of
from siddes_telemetry_client.retry import is_expired
from siddes_telemetry_client.send_scheduler import SendScheduler, TokenQueue
from siddes_telemetry_client.stats import CallCounters, DropReason, Stats
from siddes_telemetry_client.transport import Transport, Unreachable
from siddes_telemetry_client.validation import clamp_count, is_bearer_token, is_event_name

MAX_IN_FLIGHT = 4  # batches: a slow response to one viewer does not delay the others

_log = logging.getLogger("siddes_telemetry_client")


@dataclass(frozen=True, slots=True)
class Environment:
    """The sender's clock and randomness; tests pass their own."""

    clock_s: Callable[[], float] = field(default=boot_clock_s)
    new_id: Callable[[], UUID] = field(default=new_id)
    random: Callable[[], float] = field(default=random)


class Sender:
    """Batches calls and sends them until they are settled. Belongs to the event loop that runs run()."""

    def __init__(
        self, transport: Transport, *, linger_s: float, max_waiting: int, env: Environment | None = None
    ) -> None:
        env = env or Environment()
        self._transport = transport
        self._clock_s = env.clock_s
        self._linger_s = linger_s
        self._max_waiting = max_waiting
        self._scheduler = SendScheduler(linger_s, env.new_id, env.random)
        self._counters = CallCounters()
        self._in_flight: set[asyncio.Task[Outcome]] = set()
        self._changed = asyncio.Event()  # wakes run(): a batch may be due sooner than it waits for
        self._idle = asyncio.Event()  # all calls are settled
        self._idle.set()
        self._flushes = 0  # calls of flush() that wait
        self._stopped: DropReason | None = None  # the reason to drop every further call

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""
        return self._counters.snapshot(self._scheduler.unsettled)

    def count(self, event: str, count: float, token: str) -> None:
        """Enqueue a call, or drop it. A count of 0 is ignored. Raises TypeError where event or token is no str."""
        reason = self._drop_reason(event, token)
        if count == 0:
            return
        self._counters.called += 1
        if reason is None:
            self._scheduler.enqueue(token, Call(event, clamp_count(count)), self._clock_s())
            self._idle.clear()
            self._changed.set()
        elif self._counters.drop(reason) and reason == "overflow":
            _log.warning("too many counts are waiting to be sent: some are dropped")

    async def run(self) -> None:
        """Send due batches until cancelled. Requests run in the context of this task, not of a caller."""
        while True:
            self._changed.clear()
            self._send_due_batches()
            due_s = self._scheduler.next_due_s() if len(self._in_flight) < MAX_IN_FLIGHT else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else max(0.0, due_s - self._clock_s())):
                    await self._changed.wait()

    async def flush(self, timeout_s: float) -> bool:
        """Send without lingering. True as soon as all calls are settled, False after `timeout_s`."""
        self._flushes += 1
        self._scheduler.set_linger(0.0)
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
                self._scheduler.set_linger(self._linger_s)

    async def stop(self) -> None:
        """Cancel requests and drop unsettled calls. Later calls are dropped too."""
        self._stopped = self._stopped or "abandoned"
        for task in self._in_flight:
            task.cancel()
        self._drop_waiting(self._stopped)
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _drop_reason(self, event: str, token: str) -> DropReason | None:
        if not is_event_name(event):
            return "rejected"
        if not is_bearer_token(token):
            return "refused"
        return self._stopped or ("overflow" if self._scheduler.unsettled >= self._max_waiting else None)

    def _send_due_batches(self) -> None:
        while len(self._in_flight) < MAX_IN_FLIGHT and (due := self._scheduler.take_due(self._clock_s())) is not None:
            queue, batch = due
            if is_expired(batch.first_try_s, self._clock_s()):  # other batches came first, or the machine was suspended
                self._counters.drop("expired", self._scheduler.settle(queue))
                self._check_idle()
                continue
            task = asyncio.create_task(self._post(queue, batch))
            self._in_flight.add(task)
            task.add_done_callback(partial(self._on_done, queue, batch))

    async def _post(self, queue: TokenQueue, batch: Batch) -> Outcome:
        try:
            return outcome_of(await self._transport.post(batch.body(), queue.token))
        except Unreachable:
            return Retry()

    def _on_done(self, queue: TokenQueue, batch: Batch, task: asyncio.Task[Outcome]) -> None:
        """Also called for a task that was cancelled before it started. The loop reports an unexpected exception."""
        self._in_flight.discard(task)
        self._changed.set()
        outcome: Outcome = Retry()
        try:
            if not task.cancelled():
                outcome = task.result()
        finally:
            self._handle(queue, batch, outcome)

    def _handle(self, queue: TokenQueue, batch: Batch, outcome: Outcome) -> None:
        match outcome:
            case Accepted(rejected):
                calls = self._scheduler.settle(queue)
                rejected_calls = sum(entry.calls for index, entry in enumerate(batch.entries) if index in rejected)
                self._counters.drop("rejected", rejected_calls)
                self._counters.accepted += calls - rejected_calls
            case Refused():
                self._counters.drop("refused", self._scheduler.settle(queue))
            case Retry(after_s):
                self._counters.drop("expired", self._scheduler.back_off(queue, after_s, self._clock_s()))
                if self._stopped is not None:
                    self._drop_waiting(self._stopped)
            case Disabled():
                self._counters.drop("disabled", self._scheduler.settle(queue))
                self._disable()
        self._check_idle()

    def _disable(self) -> None:
        if self._stopped is None:
            self._stopped = "disabled"
            _log.warning("telemetry is disabled on the server: counts are dropped from now on")
        self._drop_waiting("disabled")

    def _drop_waiting(self, reason: DropReason) -> None:
        self._counters.drop(reason, self._scheduler.clear())
        self._check_idle()

    def _check_idle(self) -> None:
        if not self._scheduler.unsettled:
            self._idle.set()
