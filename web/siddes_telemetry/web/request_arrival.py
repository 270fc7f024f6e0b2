"""The arrival of a request: how long it may take, and how much of it may be neither head nor body.

A request arrives in any number of pieces. From the first byte that does not complete a request, a timer runs until its
last byte. The timer does not run out while we have paused reading ourselves: then the client cannot be late.

state     event                                        next      does
SILENT    a piece that completes a request             BETWEEN
SILENT    another piece                                PARTIAL   starts the timer
BETWEEN   a piece that completes a request             BETWEEN
BETWEEN   a piece that leaves a request incomplete     PARTIAL   starts the timer
PARTIAL   the last piece                               BETWEEN   stops the timer
PARTIAL   the last piece with the start of another     PARTIAL   starts the timer anew
PARTIAL   another piece                                PARTIAL   counts its bytes; too much overhead: bad_request
PARTIAL   the timer, while reading is held             PARTIAL   starts the timer anew
PARTIAL   the timer                                    STOPPED   request_timeout
any       stop                                         STOPPED   stops the timer; nothing more is parsed
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import RawRequestMessage, StreamReader
from siddes_telemetry.web.connection_limits import MAX_OVERHEAD_BYTES, PIECE_BYTES


class Receiving(Enum):
    """What has arrived of the next request."""

    SILENT = "silent"  # nothing, and no request before it
    BETWEEN = "between"  # nothing; the one before it is whole
    PARTIAL = "partial"  # a part of its head or body
    STOPPED = "stopped"  # it is not read


_BETWEEN = Receiving.BETWEEN  # a global: read for every request


class Receiver(Protocol):
    """The connection, as RequestArrival uses it."""

    loop: asyncio.AbstractEventLoop
    reading_paused: bool
    reading_held: bool

    def report_memory(self) -> None:
        """`partial_bytes` has changed."""

    def break_off(self, code: ErrorCode) -> None:
        """Receive no more; answer with this error after the responses that are still due."""


class RequestArrival:
    """Follows the request that arrives on one connection."""

    __slots__ = ("_receiver", "_timeout_s", "_timer", "large_head", "open_body", "partial_bytes", "state")

    def __init__(self, receiver: Receiver, *, timeout_s: float) -> None:
        self._receiver = receiver
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None  # set in PARTIAL
        self.state = Receiving.SILENT
        self.open_body: StreamReader | None = None  # of the last request parsed, until its last byte
        self.partial_bytes = 0  # arrived in PARTIAL, at least those of the request
        self.large_head = False  # a head came that was larger than one piece: the parser keeps it until the next

    def received(self, requests: Sequence[tuple[RawRequestMessage, StreamReader]], size: int) -> None:
        """A piece of `size` bytes arrived, and with it the heads of `requests`."""
        if requests and self.open_body is None and self.partial_bytes >= PIECE_BYTES:
            self.large_head = True
        last = requests[-1][1] if requests else self.open_body
        if last is not None and last.is_eof():
            self.open_body = None
            if self.state is not _BETWEEN:
                self._completed()
            return
        if len(requests) > 1 or (requests and self.open_body is not None):
            self._completed()  # the request that was timed; `last` belongs to another
        self.open_body = last
        if self._timer is None:
            self._start_timer()
        self.partial_bytes += size
        self._receiver.report_memory()
        if self.partial_bytes > MAX_OVERHEAD_BYTES and not (
            self._receiver.reading_paused or self._receiver.reading_held
        ):
            body_bytes = 0 if last is None else last.total_bytes
            if self.partial_bytes - body_bytes - body_bytes // 4 > MAX_OVERHEAD_BYTES:  # each chunk costs time
                self._receiver.break_off(ErrorCode.bad_request)

    def restart(self) -> None:
        """Give the request that arrives its whole time again: reading was held."""
        if self._timer is not None:
            self._timer.cancel()
            self._start_timer()

    def stop(self) -> None:
        """Follow no more; the bytes that arrived are no longer kept."""
        self._completed()
        self.state = Receiving.STOPPED

    def fail_body(self, error: ApiError) -> bool:
        """Raise this where the open body is read. False: no body is open."""
        if self.open_body is None or self.open_body.is_eof():
            return False
        self.open_body.set_exception(error)
        return True

    def release(self) -> None:
        """The connection is lost: drop the reference to it, so that no cycle waits for the garbage collector."""
        del self._receiver

    @property
    def due_at(self) -> float:
        """When the request that arrives is late, in the loop's seconds. Only in PARTIAL."""
        return 0.0 if self._timer is None else self._timer.when()

    def _completed(self) -> None:
        self.state = _BETWEEN
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.partial_bytes = 0
            self._receiver.report_memory()

    def _start_timer(self) -> None:
        self.state = Receiving.PARTIAL
        self._timer = self._receiver.loop.call_later(self._timeout_s, self._timed_out)

    def _timed_out(self) -> None:
        if self._receiver.reading_held:
            self._start_timer()
        else:
            self._receiver.break_off(ErrorCode.request_timeout)
