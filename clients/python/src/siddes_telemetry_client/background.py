"""A thread with an event loop of its own, which sends the calls of all threads of one process.

state     has                              event                       next
idle      nothing                          the first call              running
running   a daemon thread, which sends     close(), or a defect        closing
closing   at most `timeout_s` to send      all is settled, or time up  ended
ended     the final counters               a call: it is dropped       ended

A call goes through a deque, whose append and popleft are atomic. count() takes no lock that another thread holds while
it works, so it neither waits nor deadlocks: in a signal handler, in a finalizer, in a forked child.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import selectors
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from siddes_telemetry_client.blocking_resolver import BlockingResolver
from siddes_telemetry_client.delivery import Delivery
from siddes_telemetry_client.drop_warnings import DropWarnings, Kind
from siddes_telemetry_client.process_life import THIS_PROCESS
from siddes_telemetry_client.settings import ClientSettings
from siddes_telemetry_client.stats import CallCounters, Stats

CHUNK = 500  # calls that the loop takes over at a time: some ms, after which it looks at responses again
GATHER_S = 0.05  # from the first call on, before the loop is disturbed for it and for those that follow
LONGEST_S = 1e6  # 11 days: threading cannot wait for infinity, and on Windows not for 50 days
GRACE_S = 1.0  # beyond a deadline, for cancelled requests to end; a look-up of a host name may take longer


class Background:
    """Takes calls from any thread. A forked child needs another one."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._calls: deque[tuple[str, int, str]] = deque()  # not taken over by the loop yet
        self._gather_s = min(GATHER_S, settings.linger_s)
        self._woken = False  # the loop will take over what is in `_calls`
        self._taking = threading.RLock()  # held while calls go from `_calls` to the sender; never by count()
        self._not_taken = CallCounters()  # calls that never came into `_calls`
        self._counting = threading.RLock()  # of `_not_taken`
        self._warnings = DropWarnings()
        self._starting = threading.RLock()
        self._started = False
        self._last_flush = False  # the loop begins no other: nothing is left
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selector = _selector()
        self._runs = threading.Event()  # `_loop` and `_delivery` are there, or the thread has ended
        self._deadline_s: float | None = None  # of closing, on time.monotonic
        self._ended = False  # nobody takes calls from `_calls` any more
        self._over = threading.Event()  # the thread's work is done
        self._settled = True  # when it ended

    def count(self, event: str, times: int, token: str) -> None:
        """Take a call, or drop it."""
        if self._deadline_s is not None:
            self._drop("abandoned")
        elif len(self._calls) + self._sender_waiting() >= self._settings.max_waiting:
            self._drop("overflow")
        else:
            self._calls.append((event, times, token))
            self._wake()
            if self._ended:  # meanwhile
                self._abandon()

    def flush(self, timeout_s: float) -> bool:
        """Send without lingering. True as soon as all calls are settled, False after `timeout_s`."""
        timeout_s = min(timeout_s, LONGEST_S)
        deadline_s = time.monotonic() + timeout_s
        if self._calls:
            self._wake()
        if not self._started or not self._runs.wait(timeout_s) or self._loop is None:
            return not self._calls
        with self._starting:
            if self._last_flush:
                return True
            outcome = asyncio.run_coroutine_threadsafe(self._flush(deadline_s), self._loop)
        try:
            return outcome.result(max(0.0, deadline_s - time.monotonic()))
        except (TimeoutError, asyncio.CancelledError):
            outcome.cancel()
            return False

    def close(self, timeout_s: float) -> bool:
        """Send for so long, then drop the rest. Whether all calls were settled in time."""
        self._begin_close(timeout_s)
        return self.end_close()

    def discard(self) -> None:
        """Begin to close. Returns at once."""
        self._begin_close(self._settings.close_timeout_s)

    def end_close(self) -> bool:
        """Wait for the thread's end, until the deadline. Whether all calls were settled in time."""
        if self._started and self._deadline_s is not None:
            self._over.wait(max(0.0, self._deadline_s - time.monotonic()) + GRACE_S)
        return self._ended and self._settled

    def in_child(self) -> Background:
        """One for a forked child."""
        other = Background(self._settings)
        if self._deadline_s is not None:
            other.discard()
        return other

    def let_go(self) -> None:
        """In a forked child: give up what is the parent's, so that no destructor writes to its connections."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for key in list((self._selector.get_map() or {}).values()):
            os.dup2(nothing, key.fd, inheritable=False)
        os.close(nothing)
        if self._loop is not None:
            self._loop.set_exception_handler(lambda *_: None)  # aiohttp would report an open session

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""
        with self._taking, self._counting:
            sent = CallCounters().snapshot() if self._loop is None else self._delivery.sender.stats
            dropped = self._not_taken.snapshot()
            waiting = len(self._calls)
        return replace(
            sent,
            called=sent.called + dropped.called + waiting,
            waiting=sent.waiting + waiting,
            overflow=sent.overflow + dropped.overflow,
            abandoned=sent.abandoned + dropped.abandoned,
        )

    def _begin_close(self, timeout_s: float) -> None:
        """The first deadline holds."""
        with self._starting:
            if self._deadline_s is not None:
                return
            self._deadline_s = time.monotonic() + min(timeout_s, LONGEST_S)
            if not self._started:  # none was needed, or none could be started
                self._settled = not self._calls
                self._ended = True
                self._abandon()
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._closing.set)

    def _sender_waiting(self) -> int:
        return 0 if self._loop is None else self._delivery.sender.waiting

    def _wake(self) -> None:
        if self._woken:
            return
        try:
            self._woken = True
            if self._loop is None:
                self._start()
            else:
                self._loop.call_soon_threadsafe(self._loop.call_later, self._gather_s, self._take)
        except RuntimeError:  # the loop has ended
            return
        except BaseException:  # of a signal handler, such as a time limit: the next call wakes the loop
            self._woken = False
            raise

    def _start(self) -> None:
        with self._starting:
            if self._started or self._deadline_s is not None:
                return
            THIS_PROCESS.started(self)
            self._started = True  # nothing can interrupt this thread from here to the start
            try:  # threading.Thread.start() would wait for the thread, some ms in a busy process
                _thread.start_new_thread(self._run, ())
            except RuntimeError:  # too many threads, or the interpreter ends: the next call tries again
                self._started = self._woken = False
                THIS_PROCESS.ended(self)

    def _run(self) -> None:
        loop = asyncio.SelectorEventLoop(self._selector)
        try:
            loop.run_until_complete(self._send())
        finally:
            with self._starting:
                self._deadline_s = self._deadline_s or 0.0
                self._last_flush = True
            loop.run_until_complete(_end_of_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())  # lets closed connections go
            loop.close()
            self._ended = True
            self._abandon()
            self._runs.set()
            self._over.set()
            THIS_PROCESS.ended(self)

    async def _send(self) -> None:
        self._closing = asyncio.Event()
        delivery = Delivery(
            self._settings, close_timeout_s=0.0, resolver=BlockingResolver(), warnings=_LaterWarnings(self._warnings)
        )
        async with delivery as self._delivery:
            self._loop = asyncio.get_running_loop()
            self._runs.set()
            self._take()
            if self._deadline_s is None:
                closing = asyncio.create_task(self._closing.wait())
                await asyncio.wait({closing, self._delivery.running}, return_when=asyncio.FIRST_COMPLETED)
                closing.cancel()
            self._settled = await self._flush(self._deadline_s or 0.0)

    async def _flush(self, deadline_s: float) -> bool:
        while self._calls:
            self._take()
        return await self._delivery.sender.flush(max(0.0, deadline_s - time.monotonic()))

    def _take(self) -> None:
        """Hand calls to the sender, in the loop."""
        self._woken = False
        for _ in range(CHUNK):
            with self._taking:
                try:
                    call = self._calls.popleft()
                except IndexError:
                    return
                self._delivery.sender.count(*call)
        self._woken = True
        asyncio.get_running_loop().call_soon(self._take)

    def _abandon(self) -> None:
        """Drop what is in `_calls`: nobody will take it. Several threads may be here at once."""
        while self._calls:
            with self._taking, suppress(IndexError):
                self._calls.popleft()
                self._count_drop("abandoned")
            self._warnings.tell("abandoned")

    def _drop(self, reason: Literal["overflow", "abandoned"]) -> None:
        self._count_drop(reason)
        self._warnings.tell(reason)

    def _count_drop(self, reason: Literal["overflow", "abandoned"]) -> None:
        with self._counting:
            self._not_taken.called += 1
            self._not_taken.drop(reason)


async def _end_of_tasks() -> None:
    """Those of flush(), which end now that nothing waits."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks)


class _LaterWarnings(DropWarnings):
    """Logs without a lock: a handler of the app may count, or read the stats, in another thread."""

    def __init__(self, warnings: DropWarnings) -> None:
        self._warnings = warnings

    def tell(self, kind: Kind) -> None:
        asyncio.get_running_loop().call_soon(self._warnings.tell, kind)


def _selector() -> selectors.BaseSelector:
    """poll: the state of epoll and kqueue is in the kernel, and a forked child shares or loses it."""
    return getattr(selectors, "PollSelector", selectors.SelectSelector)()
