"""One client's connection: aiohttp's parser and its queue of requests, with every answer our own.

aiohttp answers what it cannot parse with the client's bytes quoted, and logs them with a traceback and the address;
a chunk that breaks in mid-body leaves the handler waiting. Here each such thing is one ErrorCode, a request has a
bounded time to arrive, and a connection is closed so that the client still gets its answer. The privates of
aiohttp's RequestHandler that are used here are why its version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog
from aiohttp import hdrs
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion10
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.answer import Answer
from siddes_telemetry.web.logs import where

MAX_DROPPED_BYTES = 256 * 1024  # an unread body up to the largest batch is read and dropped; beyond, we close
READ_BUFFER_BYTES = 64 * 1024  # per connection; reading pauses at twice this until the body is wanted

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEEP = b"\r\n"
_KEEP_1_0 = b"Connection: keep-alive\r\n\r\n"
_CLOSE = b"Connection: close\r\n\r\n"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    arrival_s: float = 10.0  # a request, from its first byte to its last
    idle_s: float = 75.0  # between requests: longer than the usual proxy's 60 s, so that the proxy closes first
    answer_s: float = 10.0  # to take an answer off our hands
    closing_s: float = 2.0  # to read the last answer before unread bytes make the close a reset


class Incoming:
    """A request as its head arrived; the body may still be under way."""

    __slots__ = ("_connection", "message", "payload")

    def __init__(self, message: RawRequestMessage, payload: StreamReader, connection: Connection) -> None:
        self.message = message
        self.payload = payload
        self._connection = connection

    def invite_body(self) -> None:
        """Say `100 Continue`, unless the body came uninvited or the client is too old to know (RFC 9110, 10.1.1)."""
        if not self.payload.is_eof() and self.message.version != HttpVersion10:
            self._connection.write(_CONTINUE)

    def _cancel(self, _reason: BaseException) -> None:
        """aiohttp's word for: the client has gone."""
        self.payload.set_exception(ApiError(ErrorCode.bad_request))


class App(Protocol):
    """What answers requests."""

    async def serve(self, incoming: Incoming) -> Answer:
        """Answer every request; an exception is a defect."""

    def refuse(self, code: ErrorCode) -> Answer:
        """Answer what never became a request."""


class Connection(RequestHandler):
    """One connection. `is_draining` is asked before each answer whether it is to be the last."""

    __slots__ = ("_app", "_arrival", "_broken", "_gone", "_is_draining", "_open_body", "_patience", "_peer_finished")

    def __init__(
        self,
        manager: Server,
        app: App,
        *,
        patience: Patience,
        is_draining: Callable[[], bool],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=patience.idle_s,
            access_log=cast("Any", None),  # documented as optional, typed as not
            lingering_time=0,  # see _close_gently
            read_bufsize=READ_BUFFER_BYTES,
            auto_decompress=False,
        )
        self._app = app
        self._patience = patience
        self._is_draining = is_draining
        self._open_body: StreamReader | None = None  # of the last request parsed, while it still arrives
        self._arrival: asyncio.TimerHandle | None = None  # runs while a request is partly here
        self._broken = False  # nothing that still comes is looked at
        self._peer_finished = False  # the client has closed its sending side
        self._gone: asyncio.Future[None] | None = None

    # Arrival

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        seen = self._request_count
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 - whatever the parser stumbles over, the client sent
            log.debug("unparsable", error=type(error).__name__)
            self._break_off(ErrorCode.bad_request)
            return
        new = self._request_count - seen
        if new and not isinstance(self._messages[-1][0], RawRequestMessage):  # aiohttp's word for: unparsable
            self._messages.pop()
            self._break_off(ErrorCode.bad_request)
        elif new or data or self._open_body is not None:
            self._time_arrival(new)

    def _time_arrival(self, new: int) -> None:
        """After bytes that brought `new` requests: time what is partly here, stop timing what is whole."""
        last = self._messages[-1][1] if new else self._open_body
        if last is not None and last.is_eof():
            self._open_body = None
            self._arrived()
            return
        if new > 1 or (new and self._open_body is not None):
            self._arrived()  # what was timed is here: this is another request
        self._open_body = last
        if self._arrival is None:
            arrival_s = self._patience.arrival_s
            self._arrival = self._loop.call_later(arrival_s, self._break_off, ErrorCode.request_timeout)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio: true keeps our sending side open; aiohttp never does
        if self._gone is not None or self._waits():
            return False
        self._peer_finished = True
        if self._arrival is not None:
            self._break_off(ErrorCode.bad_request)
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._arrived()
        super().connection_lost(exc)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _break_off(self, code: ErrorCode) -> None:
        """Give up on what is arriving: answer `code` in its turn, and nothing after it."""
        self._broken = True
        self._arrived()
        if self._open_body is not None and not self._open_body.is_eof():  # its request waits for it, or will
            self._open_body.set_exception(ApiError(code))
            return
        self._messages.append((cast("Any", code), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Answers

    async def start(self) -> None:
        """Answer what arrives, in order, until one side closes.

        In place of aiohttp's own loop, which makes a task for each request and answers errors by itself.
        """
        try:
            while await self._answer(*(await self._next_message())):
                close_at = self._loop.time() + self._patience.idle_s
                self._next_keepalive_close_time = close_at
                if self._keepalive_handle is None:
                    self._keepalive_handle = self._loop.call_at(close_at, self._process_keepalive)
        finally:
            self.force_close()

    async def _next_message(self) -> tuple[RawRequestMessage | ErrorCode, StreamReader]:
        if self._messages:
            await asyncio.sleep(0)  # one who sends many at once lets others in between
        else:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, payload = self._messages.popleft()
        if self._parser is not None:  # it goes when the connection does
            self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
        return cast("RawRequestMessage | ErrorCode", message), payload

    async def _answer(self, message: RawRequestMessage | ErrorCode, payload: StreamReader) -> bool:
        """Answer one request; whether another may follow."""
        if isinstance(message, ErrorCode):
            if self._send(self._app.refuse(message), _CLOSE):
                await self._close_gently()
            return False
        incoming = Incoming(message, payload, self)
        self._current_request = cast("Any", incoming)  # whom aiohttp tells when the client goes
        try:
            answer = await self._app.serve(incoming)
        except Exception as defect:  # noqa: BLE001 - the client is not to wait for ever
            place = where(defect)
            log.error("serve_failed", error=type(defect).__name__, at=place)
            answer = self._app.refuse(ErrorCode.internal)
        finally:
            self._current_request = None
        stays = self._stays_open(message, payload)
        ending = _CLOSE if not stays else _KEEP_1_0 if message.version == HttpVersion10 else _KEEP
        if not self._send(answer, ending) or (self._paused and not await self._flushed()):
            return False
        if payload.is_eof():
            if not stays and (self._broken or self._arrival is not None):
                await self._close_gently()
            return stays
        if stays and await self._dropped(payload):
            return True
        await self._close_gently()
        return False

    def _send(self, answer: Answer, ending: bytes) -> bool:
        return self.write(answer.head + ending + answer.body)

    def write(self, data: bytes) -> bool:
        """Send this; false if nobody is there any more."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        transport.write(data)
        return True

    def _stays_open(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        if message.should_close or message.upgrade:
            return False  # after an upgrade that we do not make, the parser cannot tell what follows
        if (self._broken or self._peer_finished or self._is_draining()) and not self._messages:
            return False
        if payload.is_eof():
            return True
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        return length is not None and int(length) <= MAX_DROPPED_BYTES and hdrs.EXPECT not in message.headers

    async def _flushed(self) -> bool:
        try:
            async with asyncio.timeout(self._patience.answer_s):
                await self._drain_helper()
        except (TimeoutError, ConnectionError):
            self.force_close()
            return False
        return True

    async def _dropped(self, payload: StreamReader) -> bool:
        """Read the rest of an unwanted body; false if it did not come."""
        with suppress(TimeoutError, ApiError, RuntimeError):  # RuntimeError: aiohttp's "Connection closed."
            async with asyncio.timeout(self._patience.closing_s):
                while await payload.readany():
                    pass
                return True
        return False

    # Closing

    def force_close(self) -> None:
        """Send what is written and close; a client that does not take it does not hold the connection."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            self._loop.call_later(self._patience.closing_s, transport.abort)

    async def _close_gently(self) -> None:
        """Close our side, drop what still comes, and wait for the client to close (RFC 9112, 9.6)."""
        self._broken = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._gone = self._loop.create_future()
        if self._peer_finished:
            transport.close()
        else:
            transport.write_eof()
            self._resume_transport_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.closing_s):
                await self._gone
        self.force_close()

    @property
    def serving(self) -> asyncio.Task[None] | None:
        """The task that answers this connection's requests."""
        return self._task_handler

    def _waits(self) -> bool:
        """Whether nothing of a request is here."""
        between = self._waiter is not None and not self._waiter.done()
        return (between or self._request_count == 0) and self._arrival is None

    def close_if_idle(self) -> None:
        if self._waits():
            self.force_close()

    def abort(self) -> None:
        """End it now, and what it is working on."""
        if self.transport is not None:
            self.transport.abort()
        if self._task_handler is not None:
            self._task_handler.cancel()
