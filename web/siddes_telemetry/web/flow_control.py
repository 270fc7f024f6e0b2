"""Flow control of one connection: when to stop reading from a client, and how much memory the client takes.

A client may send requests ahead of their responses (pipelining). They wait in a queue; while the queue is full, reading
is held. aiohttp's parser holds back what it has read beyond `MAX_QUEUED` requests, and gives it out when it is fed
again. Three things count as memory that a client takes: the request that arrives, responses that it does not take, and,
while reading is held, the queue. ClientMemoryLimit adds them up over all clients.
"""

from __future__ import annotations

import asyncio
from collections import deque

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.aiohttp_internals import AiohttpProtocol, RawRequestMessage, StreamReader
from siddes_telemetry.web.auth.request_headers import MAX_COOKIE_CHARS
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.connection_limits import MAX_QUEUED, QUEUED_BYTES, READ_BUFFER_BYTES
from siddes_telemetry.web.request_arrival import RequestArrival


class FlowControl(AiohttpProtocol):
    """The part of a connection that bounds what its client may make us keep."""

    __slots__ = ("_ahead_bytes", "_arrival", "_client_memory", "_queue")

    def __init__(
        self, *, loop: asyncio.AbstractEventLoop, client_memory: ClientMemoryLimit, arrival_timeout_s: float
    ) -> None:
        super().__init__(
            loop,
            buffer_bytes=READ_BUFFER_BYTES,
            max_header_bytes=MAX_COOKIE_CHARS,  # over HTTP/1.1 browsers send all cookies in one line
            max_queued=MAX_QUEUED + 1,  # the parser still counts a request whose body arrives when it is answered
        )
        self._client_memory = client_memory
        self._arrival = RequestArrival(self, timeout_s=arrival_timeout_s)
        self._queue: deque[tuple[RawRequestMessage | ErrorCode, StreamReader]] = deque()  # requests not yet begun
        self._ahead_bytes = 0  # arrived while requests were queued; 0 again when none is

    def break_off(self, code: ErrorCode) -> None:
        """Receive no more; answer with this error after the responses that are still due."""
        raise NotImplementedError

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's
        """StreamReader calls this for each body that was read; usually nothing is paused."""
        if self.reading_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.report_memory()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.report_memory()

    def report_memory(self) -> None:
        """Tell ClientMemoryLimit what this client takes now."""
        size = self._arrival.partial_bytes
        if self.writing_blocked and self.transport is not None:
            size += self.transport.get_write_buffer_size()
        if self.reading_held:
            size += self._ahead_bytes + len(self._queue) * QUEUED_BYTES
        self._client_memory.set_usage(self, size)

    def evict(self) -> None:
        """Called by ClientMemoryLimit: drop what is kept for this client."""
        raise NotImplementedError

    def _received_ahead(self, size: int) -> None:
        """`size` bytes arrived while requests were queued: hold reading once that is too much."""
        self._ahead_bytes += size
        if self._ahead_bytes > READ_BUFFER_BYTES or len(self._queue) >= MAX_QUEUED:
            if not self.reading_held:
                self.hold_reading()
            self.report_memory()

    def _taken_from_queue(self) -> None:
        """A request was taken from the queue: tell the parser, and read on once the queue is half empty."""
        if self.parser is None:
            return
        self.parser.message_consumed()
        if not self.reading_held:
            if not self._queue:
                self._ahead_bytes = 0
        elif not self._queue or (len(self._queue) <= MAX_QUEUED // 2 and self._ahead_bytes <= READ_BUFFER_BYTES):
            self.data_received(b"")  # what the parser holds back
            if len(self._queue) < MAX_QUEUED:
                self._ahead_bytes = 0
                self.release_reading()
                self._arrival.restart()
            self.report_memory()
