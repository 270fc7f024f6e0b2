"""Sends batches when they are due: the loop between the scheduler and the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import random
from typing import Literal
from uuid import UUID

from siddes_telemetry_client.batch import Batch, Call
from siddes_telemetry_client.batch_id import new_id
from siddes_telemetry_client.clock import boot_clock_s
from siddes_telemetry_client.drop_warnings import DropWarnings, Kind
from siddes_telemetry_client.response import Accepted, Disabled, Outcome, Refused, Retry, outcome_of
from siddes_telemetry_client.retry import is_expired
from siddes_telemetry_client.send_scheduler import SendScheduler, TokenQueue
from siddes_telemetry_client.stats import CallCounters, DropReason, Stats
from siddes_telemetry_client.transport import Transport, Unreachable
from siddes_telemetry_client.validation import is_bearer_token, is_event_name, times_of

MAX_IN_FLIGHT = 4  # batches: a slow response to one viewer does not delay the others


@dataclass(frozen=True, slots=True)
class Environment:
    """The sender's clock and randomness; tests pass their own."""

    clock_s: Callable[[], float] = field(default=boot_clock_s)
    new_id: Callable[[], UUID] = field(default=new_id)
    random: Callable[[], float] = field(default=random)


class Sender:
    """Batches calls and sends them until they are settled. Belongs to the event loop that runs run()."""

    def __init__(
        self,
        transport: Transport,
        *,
        linger_s: float,
        max_waiting: int,
        env: Environment | None = None,
        warnings: DropWarnings | None = None,
    ) -> None:
        env = env or Environment()
        self._transport = transport
        self._clock_s = env.clock_s
        self._linger_s = linger_s
        self._max_waiting = max_waiting
        self._scheduler = SendScheduler(linger_s, env.new_id, env.random)
        self._counters = CallCounters()
        self._warnings = warnings or DropWarnings()
        self._in_flight: set[asyncio.Task[Outcome]] = set()
        self._changed = asyncio.Event()  # wakes run(): a batch may be due sooner than it waits for
        self._idle = asyncio.Event()  # all calls are settled
        self._idle.set()
        self._flushes = 0  # calls of flush() that wait
        self._stopped: Literal["disabled", "abandoned"] | None = None  # the reason to drop every further call

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""
        return self._counters.snapshot()

    @property
    def waiting(self) -> int:
        """The number of calls that are not settled. Any thread may read it."""
        return self._scheduler.unsettled

    def count(self, event: str, count: float, token: str) -> None:
        """Enqueue a call, or drop it. A count of 0 is ignored. Raises TypeError where event or token is no str."""
        well_formed_event, well_formed_token = is_event_name(event), is_bearer_token(token)
        times = times_of(count)
        if not times:
            return
        self._counters.called += 1
        if not well_formed_event:
            self._drop("rejected", "malformed_event")
        elif not well_formed_token:
            self._drop("refused", "malformed_token")
        elif self._stopped is not None:
            self._drop(self._stopped, self._stopped)
        elif self._scheduler.unsettled >= self._max_waiting:
            self._drop("overflow", "overflow")
        else:
            self._scheduler.enqueue(token, Call(event, times), self._clock_s())
            self._idle.clear()
            self._changed.set()

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

    def _send_due_batches(self) -> None:
        while len(self._in_flight) < MAX_IN_FLIGHT and (due := self._scheduler.take_due(self._clock_s())) is not None:
            queue, batch = due
            if is_expired(batch.first_try_s, self._clock_s()):  # other batches came first, or the machine was suspended
                self._drop("expired", "expired", self._scheduler.settle(queue))
                self._check_idle()
                continue
            task = asyncio.create_task(self._post(queue, batch))
            self._in_flight.add(task)
            task.add_done_callback(partial(self._on_done, queue, batch))

    async def _post(self, queue: TokenQueue, batch: Batch) -> Outcome:
        try:
            return outcome_of(await self._transport.post(batch.body(), queue.token))
        except Unreachable:
            self._warnings.tell("unreachable")
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
                self._drop("rejected", "unknown_event", rejected_calls)
                self._counters.accepted += calls - rejected_calls
            case Refused(why):
                self._drop("refused", why, self._scheduler.settle(queue))
            case Retry(after_s, server_error):
                if server_error:
                    self._warnings.tell("server_error")
                self._drop("expired", "expired", self._scheduler.back_off(queue, after_s, self._clock_s()))
                if self._stopped is not None:
                    self._drop_waiting(self._stopped)
            case Disabled():
                self._stopped = self._stopped or "disabled"
                self._drop("disabled", "disabled", self._scheduler.settle(queue))
                self._drop_waiting("disabled")
        self._check_idle()

    def _drop_waiting(self, reason: Literal["disabled", "abandoned"]) -> None:
        self._drop(reason, reason, self._scheduler.clear())
        self._check_idle()

    def _drop(self, reason: DropReason, kind: Kind, calls: int = 1) -> None:
        """Count dropped calls, and log the first of the kind."""
        if calls:
            self._counters.drop(reason, calls)
            self._warnings.tell(kind)

    def _check_idle(self) -> None:
        if not self._scheduler.unsettled:
            self._idle.set()
