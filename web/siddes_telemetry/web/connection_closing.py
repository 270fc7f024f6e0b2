"""How a connection ends: by the server, by a timer, by its client, or to make room for others.

Three ways to close: `force_close` sends what is written first; `_close_gently` waits for the client's close besides, so
that unread bytes of the client do not turn our close into a reset that destroys the last response (RFC 9112, 9.6);
`abort` sends nothing and cancels the work for the current request.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum, IntEnum
from typing import Literal

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.connection_limits import ClientTimeouts
from siddes_telemetry.web.flow_control import FlowControl
from siddes_telemetry.web.incoming_request import IncomingRequest
from siddes_telemetry.web.request_arrival import Receiving


class Answering(Enum):
    """What is being done for the client (the table is in connection.py)."""

    IDLE = "idle"
    SERVING = "serving"
    FINISHING = "finishing"
    CLOSING = "closing"


IDLE, SERVING = Answering.IDLE, Answering.SERVING  # globals: read for every request


class WaitingFor(IntEnum):
    """What a connection waits for its client to do. The lower, the sooner it is closed to make room for others."""

    FIRST_BYTE = 0
    NEXT_REQUEST = 1
    REST_OF_REQUEST = 2
    TAKE_RESPONSE = 3


class ClosableConnection(FlowControl):
    """The part of a connection that ends it."""

    __slots__ = (
        "_answering",
        "_client_closed",
        "_current",
        "_finishing",
        "_half_closed",
        "_idle_timer",
        "_idle_until",
        "_timeouts",
    )

    def __init__(
        self, *, timeouts: ClientTimeouts, client_memory: ClientMemoryLimit, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(loop=loop, client_memory=client_memory, arrival_timeout_s=timeouts.arrival_s)
        self._timeouts = timeouts
        self._answering = IDLE
        self._current: IncomingRequest | None = None  # in SERVING, once the app has it
        self._finishing: asyncio.Task[bool] | None = None  # in FINISHING and CLOSING
        self._client_closed: asyncio.Future[None] | None = None  # in CLOSING
        self._half_closed = False  # the client has closed its sending side
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_until = 0.0

    def force_close(self) -> None:
        """Send what is written and close, within `closing_s`, whether the client takes it or not."""
        self._stop_receiving()
        transport = self.transport
        if transport is None:
            return
        transport.close()
        if transport.get_write_buffer_size():
            self.loop.call_later(self._timeouts.closing_s, transport.abort)

    def abort(self) -> None:
        """Close at once, and cancel the work for the current request."""
        if self.transport is not None:
            self.transport.abort()
        for work in (self._current.work if self._current is not None else None, self._finishing):
            if work is not None:
                work.cancel()

    async def _close_gently(self) -> Literal[False]:
        """Close our side, drop what still arrives, and wait for the client to close. False: no request can follow."""
        self._stop_receiving()
        transport = self.transport
        if transport is not None and not transport.is_closing():
            self._answering = Answering.CLOSING
            self._client_closed = self.loop.create_future()
            if self._half_closed:
                transport.close()
            else:
                transport.write_eof()
                self.read_to_discard()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeouts.closing_s):
                    await self._client_closed
        return False

    def _stop_receiving(self) -> None:
        self.drop_parser()
        self._arrival.stop()

    def _start_idle_timer(self, timeout_s: float) -> None:
        """Close after this long without a request. The timer is moved when it runs out, not for each request."""
        self._idle_until = self.loop.time() + timeout_s
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_at(self._idle_until, self._idle_timer_ran_out)

    def _idle_timer_ran_out(self) -> None:
        self._idle_timer = None
        if self._answering is not IDLE:
            return  # the timer is started again after the response
        if self.loop.time() < self._idle_until:
            self._idle_timer = self.loop.call_at(self._idle_until, self._idle_timer_ran_out)
        elif self._arrival.state is not Receiving.PARTIAL:
            self.force_close()

    def _is_unused(self) -> bool:
        """Whether no part of a request is here."""
        return self._answering is IDLE and self._arrival.state is not Receiving.PARTIAL

    def close_if_idle(self) -> None:
        """The server drains."""
        if self._is_unused():
            self.force_close()

    def waiting_for(self) -> tuple[WaitingFor, float] | None:
        """What it waits for its client to do, and seconds that order such connections. None: it waits for us."""
        arrival = self._arrival
        if self._answering is Answering.CLOSING:
            return WaitingFor.NEXT_REQUEST, 0.0  # none will come
        if self.writing_blocked:
            return WaitingFor.TAKE_RESPONSE, 0.0
        if self._current is not None and self._current.payload.is_eof():
            return None
        if arrival.state is Receiving.PARTIAL:
            return WaitingFor.REST_OF_REQUEST, arrival.due_at
        if self._answering is not IDLE:
            return None
        return WaitingFor.FIRST_BYTE if arrival.state is Receiving.SILENT else WaitingFor.NEXT_REQUEST, self._idle_until

    def make_room(self) -> None:
        """Close at once: the server needs room for another connection, and this one waits for its client."""
        if self._is_unused():
            self.force_close()
        else:
            self.abort()

    def evict(self) -> None:
        """Drop what is kept for this client. If only its request is kept, it is told to retry."""
        if self._arrival.state is Receiving.PARTIAL and not self.writing_blocked and not self.reading_held:
            self.break_off(ErrorCode.unavailable)
            return
        self._queue.clear()
        self._stop_receiving()  # at once: many clients may be evicted before the loop reports their ends
        self.abort()
