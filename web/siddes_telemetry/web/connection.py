"""One client's connection: aiohttp's parser under a queue of requests of our own, with every answer our own.

aiohttp's server answers what it cannot parse with the client's bytes quoted, and logs them with a traceback and the
address; a chunk that breaks in mid-body leaves the handler waiting; and each connection and request costs it a task.
Here each such thing is one ErrorCode, a request has a bounded time to arrive, a connection is closed so that the
client still gets its answer, and a request that waits for nothing, or for one future, is answered without a task. The
privates of aiohttp's BaseProtocol and of its parser that are used here are why its version is pinned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import structlog
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import HttpVersion10
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.auth.request_headers import MAX_COOKIE_CHARS
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.logs import code_location
from siddes_telemetry.web.reply_future import AnyReplyFuture
from siddes_telemetry.web.response_encoding import EncodedResponse

MAX_DROPPED_BYTES = 256 * 1024  # an unread body up to the largest batch is read and dropped; beyond, we close
READ_BUFFER_BYTES = 64 * 1024  # per connection; reading pauses at twice this until the body is wanted
MAX_QUEUED = 8  # requests sent ahead of their answers; then reading pauses until half of them are answered
QUEUED_BYTES = 4 * 1024  # what the parsed head of one of these takes
PIECE_BYTES = 16 * 1024  # parsed at one go: what is seen to be too much is seen soon
MAX_OVERHEAD_BYTES = 64 * 1024  # of a request in pieces: head and framing, beside a quarter of the body
LARGE_BODY_BYTES = 16 * 1024  # from here on a body is not copied behind its head: many answers share it

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEEP = b"\r\n"
_KEEP_1_0 = b"Connection: keep-alive\r\n\r\n"
_CLOSE = b"Connection: close\r\n\r\n"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long a client may take, in seconds."""

    silence_s: float = 10.0  # from connecting to the first byte
    arrival_s: float = 10.0  # a request, from its first byte to its last
    idle_s: float = 75.0  # between requests: longer than the usual proxy's 60 s, so that the proxy closes first
    answer_s: float = 10.0  # to take an answer off our hands
    closing_s: float = 2.0  # to read the last answer before unread bytes make the close a reset


class IncomingRequest:
    """A request as its head arrived; the body may still be under way. To be answered once."""

    __slots__ = ("_connection", "message", "payload", "work")

    def __init__(self, message: RawRequestMessage, payload: StreamReader, connection: Connection) -> None:
        self.message = message
        self.payload = payload
        self.work: AnyReplyFuture[Any] | None = None  # what its answer waits for: cancelled where time is up
        self._connection = connection

    def invite_body(self) -> None:
        """Say `100 Continue`, unless the body came uninvited or the client is too old to know (RFC 9110, 10.1.1)."""
        if not self.payload.is_eof() and self.message.version != HttpVersion10:
            self._connection.write(_CONTINUE)

    def answer(self, answer: EncodedResponse | None) -> None:
        """Send this, or nothing (None) where it was cut off: then the connection closes."""
        self._connection.answered(self, answer)


class App(Protocol):
    """What answers requests."""

    def serve(self, incoming: IncomingRequest) -> None:
        """See to it that the request is answered, now or later; an exception is a defect."""

    def refuse(self, code: ErrorCode) -> EncodedResponse:
        """Answer what never became a request."""


class WaitingFor(IntEnum):
    """What a connection waits for its client to do; those that can best be spared come first."""

    FIRST_BYTE = 0
    NEXT_REQUEST = 1
    REST_OF_REQUEST = 2
    TAKE_ANSWER = 3


class Connection(BaseProtocol):
    """One connection. `is_draining` is asked at each answer whether it is to be the last; `gone` is told at the end."""

    __slots__ = (
        "_ahead",
        "_app",
        "_arrival",
        "_broken",
        "_client_memory",
        "_closed",
        "_current",
        "_ending",
        "_gone",
        "_heard",
        "_idle",
        "_idle_until",
        "_is_draining",
        "_large_head",
        "_messages",
        "_open_body",
        "_partial",
        "_peer_finished",
        "_serving",
        "_timeouts",
    )

    def __init__(
        self,
        app: App,
        *,
        timeouts: ClientTimeouts,
        client_memory: ClientMemoryLimit,
        is_draining: Callable[[], bool],
        gone: Callable[[Connection], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        parser = HttpRequestParser(
            self,
            loop,
            READ_BUFFER_BYTES,
            payload_exception=ConnectionError,
            max_field_size=MAX_COOKIE_CHARS,  # over HTTP/1.1 browsers send all cookies in one line
            auto_decompress=False,
            max_msg_queue_size=MAX_QUEUED + 1,  # it may count one that was taken before its body was whole
        )
        super().__init__(loop, parser)
        self._app = app
        self._timeouts = timeouts
        self._client_memory = client_memory
        self._is_draining = is_draining
        self._gone = gone
        self._messages: deque[tuple[RawRequestMessage | ErrorCode, StreamReader]] = deque()  # not begun
        self._serving = False  # a request is being answered, or is about to be
        self._current: IncomingRequest | None = None  # the request that is being answered
        self._ending: asyncio.Task[None] | None = None  # what follows an answer and takes time
        self._open_body: StreamReader | None = None  # of the last request parsed, while it still arrives
        self._arrival: asyncio.TimerHandle | None = None  # runs while a request is partly here
        self._partial = 0  # bytes that came of it, at most, but for the first piece's
        self._ahead = 0  # bytes that came while another request was being answered, until all before are
        self._heard = False  # a byte came
        self._large_head = False  # one of more than PIECE_BYTES came: the parser keeps it until the next one
        self._idle: asyncio.TimerHandle | None = None
        self._idle_until = 0.0
        self._broken = False  # nothing that still comes is looked at
        self._peer_finished = False  # the client has closed its sending side
        self._closed: asyncio.Future[None] | None = None  # set where somebody waits for the end

    # Arrival

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=0)  # what the kernel does not take at once is waited for
        self._time_idleness(self._timeouts.silence_s)

    def data_received(self, data: bytes) -> None:
        if self._broken or self._parser is None:
            return
        self._heard = True
        if len(data) > PIECE_BYTES:
            for start in range(0, len(data), PIECE_BYTES):
                self.data_received(data[start : start + PIECE_BYTES])
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - whatever the parser stumbles over, the client sent
            log.debug("unparsable", error=type(error).__name__)
            self._break_off(ErrorCode.bad_request)
            return
        if upgraded:  # we make none: what follows is no HTTP
            self._broken = True
        if messages:
            self._messages.extend(messages)
        if messages or data or self._open_body is not None:
            self._time_arrival(len(messages), len(data))
        if self._messages and (self._serving or len(self._messages) > 1):
            self._queue_up(len(data))
        if messages and not self._serving:
            self._serve_next()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's
        """Asked for with each body that was read; there is something to resume only where reading was paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _queue_up(self, size: int) -> None:
        """So many bytes came while others before them wait: read no more once they are many."""
        self._ahead += size
        if self._ahead > READ_BUFFER_BYTES or len(self._messages) >= MAX_QUEUED:
            if not self._buffer_paused:
                self._pause_reading_for_buffer()
            self._account()

    def _time_arrival(self, new: int, size: int) -> None:
        """After `size` bytes that brought `new` requests: time what is partly here, stop timing what is whole."""
        if new and self._open_body is None and self._partial >= PIECE_BYTES:
            self._large_head = True
        last = self._messages[-1][1] if new else self._open_body
        if last is not None and last.is_eof():
            self._open_body = None
            self._arrived()
            return
        if new > 1 or (new and self._open_body is not None):
            self._arrived()  # what was timed is here: this is another request
        self._open_body = last
        if self._arrival is None:
            self._await_arrival()
        self._partial += size
        self._account()
        if self._partial > MAX_OVERHEAD_BYTES and not (self._reading_paused or self._buffer_paused):
            body = 0 if last is None else last.total_bytes
            if self._partial - body - body // 4 > MAX_OVERHEAD_BYTES:  # each chunk costs time, however small it is
                self._break_off(ErrorCode.bad_request)

    def _await_arrival(self) -> None:
        self._arrival = self._loop.call_later(self._timeouts.arrival_s, self._look_for_arrival)

    def _look_for_arrival(self) -> None:
        """Give up on a request that should be here by now. Nobody is late behind requests that we do not read on."""
        if self._buffer_paused:
            self._await_arrival()
        else:
            self._break_off(ErrorCode.request_timeout)

    def eof_received(self) -> bool:
        if self._closed is not None or self._waits():
            return False
        self._peer_finished = True
        if self._arrival is not None:
            self._break_off(ErrorCode.bad_request)
        return True  # our sending side stays open

    def connection_lost(self, exc: BaseException | None) -> None:
        self._arrived()
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)
        self._client_memory.set_usage(self, 0)
        self._broken = True
        self._messages.clear()
        self._parser = None
        if self._open_body is not None and not self._open_body.is_eof():
            self._open_body.set_exception(ApiError(ErrorCode.bad_request))
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if not self._serving:  # one who still works for a client that has gone counts until that is done
            self._gone(self)

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
            self._partial = 0
            self._account()

    def _break_off(self, code: ErrorCode) -> None:
        """Give up on what is arriving: answer `code` in its turn, and nothing after it."""
        self._broken = True
        self._parser = None  # with what it holds of a head
        self._arrived()
        if self._open_body is not None and not self._open_body.is_eof():  # its request waits for it, or will
            self._open_body.set_exception(ApiError(code))
            return
        self._messages.append((code, EMPTY_PAYLOAD))
        if not self._serving:
            self._serve_next()

    # Answers

    def _serve_next(self) -> None:
        """Begin to answer the oldest request, if it is still there."""
        self._serving = True
        if not self._messages:  # its connection has gone
            self._end()
            return
        message, payload = self._messages.popleft()
        self._make_room()
        if isinstance(message, ErrorCode):
            if self._send(self._app.refuse(message), _CLOSE):
                self._finish(self._close_gently())
            else:
                self._end()
            return
        incoming = self._current = IncomingRequest(message, payload, self)
        try:
            self._app.serve(incoming)
        except Exception as defect:  # noqa: BLE001 - the client is not to wait for ever
            place = code_location(defect)
            log.error("serve_failed", error=type(defect).__name__, at=place)
            if self._current is incoming:
                self.answered(incoming, self._app.refuse(ErrorCode.internal))

    def _make_room(self) -> None:
        """Tell the parser that a request was taken, and let more of them in when half of them are."""
        if self._parser is None:
            return
        self._parser.message_consumed()
        if not self._buffer_paused:
            if not self._messages:
                self._ahead = 0
        elif not self._messages or (len(self._messages) <= MAX_QUEUED // 2 and self._ahead <= READ_BUFFER_BYTES):
            self.data_received(b"")  # what the parser holds back
            if len(self._messages) < MAX_QUEUED:
                self._ahead = 0
                self._resume_reading_for_buffer()
                if self._arrival is not None:
                    self._arrival.cancel()
                    self._await_arrival()
            self._account()

    def answered(self, incoming: IncomingRequest, answer: EncodedResponse | None) -> None:
        """Send the answer to the current request, and go on to what is next."""
        self._current = incoming.work = None  # an error that the work ended with holds its request: let go of both
        if not incoming.payload.at_eof() and incoming.payload.is_eof():
            incoming.payload.read_nowait()  # nobody will
        if answer is None:
            self._end()
            return
        message, payload = incoming.message, incoming.payload
        stays = self._stays_open(message, payload)
        ending = _CLOSE if not stays else _KEEP_1_0 if message.version == HttpVersion10 else _KEEP
        if not self._send(answer, ending):
            self._end()
        elif stays and payload.is_eof() and not self._paused:
            self._go_on()
        else:
            self._finish(self._after(payload, stays=stays))

    def _go_on(self) -> None:
        if self.transport is None:
            self._end()
        elif self._messages:
            self._loop.call_soon(self._serve_next)  # one who sends many at once lets others in between
        else:
            self._serving = False
            self._time_idleness(self._timeouts.idle_s)

    async def _after(self, payload: StreamReader, *, stays: bool) -> None:
        """What is left to do when an answer was written: see it taken, drop what nobody read, close."""
        if self._paused and not await self._flushed():
            self._end()
        elif payload.is_eof():
            if stays:
                self._go_on()
                return
            if self._broken or self._arrival is not None:
                await self._close_gently()
            self._end()
        elif stays and await self._dropped(payload):
            self._go_on()
        else:
            await self._close_gently()

    def _finish(self, ending: Coroutine[None, None, None]) -> None:
        self._ending = self._loop.create_task(ending)
        self._ending.add_done_callback(self._finished)

    def _finished(self, ending: asyncio.Task[None]) -> None:
        if self._ending is ending:  # the next request's may have begun
            self._ending = None
        if ending.cancelled() or ending.exception() is not None:
            self._end()

    def _end(self) -> None:
        """Nothing more is answered here."""
        self._serving = False
        self._messages.clear()
        if self.transport is None:
            self._gone(self)
        else:
            self.force_close()

    def _send(self, answer: EncodedResponse, ending: bytes) -> bool:
        head, body = answer
        if len(body) < LARGE_BODY_BYTES:
            return self.write(head + ending + body)
        return self.write(head + ending, body)

    def write(self, *pieces: bytes) -> bool:
        """Send these; false if nobody is there any more."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if len(pieces) == 1:
            transport.write(pieces[0])
        else:
            transport.writelines(pieces)
        return True

    def _stays_open(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        if message.should_close or message.upgrade:
            return False  # after an upgrade that we do not make, the parser cannot tell what follows
        if (self._broken or self._peer_finished or self._large_head or self._is_draining()) and not self._messages:
            return False
        if payload.is_eof():
            return True
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        return length is not None and int(length) <= MAX_DROPPED_BYTES and hdrs.EXPECT not in message.headers

    async def _flushed(self) -> bool:
        try:
            async with asyncio.timeout(self._timeouts.answer_s):
                await self._drain_helper()
        except (TimeoutError, ConnectionError):
            return False
        return True

    async def _dropped(self, payload: StreamReader) -> bool:
        """Read the rest of an unwanted body; false if it did not come."""
        with suppress(TimeoutError, ApiError, ConnectionError):
            async with asyncio.timeout(self._timeouts.closing_s):
                while await payload.readany():
                    pass
                return True
        return False

    # Closing

    def force_close(self) -> None:
        """Send what is written and close; a client that does not take it does not hold the connection."""
        self._broken = True
        transport = self.transport
        if transport is None:
            return
        transport.close()
        if transport.get_write_buffer_size():
            self._loop.call_later(self._timeouts.closing_s, transport.abort)

    async def _close_gently(self) -> None:
        """Close our side, drop what still comes, and wait for the client to close (RFC 9112, 9.6)."""
        self._broken = True
        transport = self.transport
        if transport is not None and not transport.is_closing():
            self._closed = self._loop.create_future()
            if self._peer_finished:
                transport.close()
            else:
                transport.write_eof()
                self._resume_transport_reading()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeouts.closing_s):
                    await self._closed
        self._end()

    def _time_idleness(self, patience_s: float) -> None:
        """Close after so long without a request. One timer, moved when it comes due: most requests find it set."""
        self._idle_until = self._loop.time() + patience_s
        if self._idle is None:
            self._idle = self._loop.call_at(self._idle_until, self._look_for_idleness)

    def _look_for_idleness(self) -> None:
        self._idle = None
        if self._serving:
            return  # the next answer sets the timer anew
        if self._loop.time() < self._idle_until:
            self._idle = self._loop.call_at(self._idle_until, self._look_for_idleness)
        elif self._arrival is None:
            self.force_close()

    # Room for others

    def pause_writing(self) -> None:
        super().pause_writing()
        self._account()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._account()

    def _account(self) -> None:
        """Say what is kept for this client: of a request that arrives, of answers not taken, of requests sent ahead."""
        size = self._partial
        if self._paused and self.transport is not None:
            size += self.transport.get_write_buffer_size()
        if self._buffer_paused:
            size += self._ahead + len(self._messages) * QUEUED_BYTES
        self._client_memory.set_usage(self, size)

    def evict(self) -> None:
        """Let go of what is kept for this client; one that is about to ask for something is told to come again."""
        if self._arrival is not None and not self._paused and not self._buffer_paused:
            self._break_off(ErrorCode.unavailable)
            return
        self._broken = True
        self._messages.clear()
        self._parser = None  # at once: many may be cut off before the loop tells of their ends
        self.abort()

    def waits(self) -> tuple[WaitingFor, float] | None:
        """What it waits for its client to do, and since when: seconds that order those of a kind. None: it works."""
        if self._closed is not None:
            return WaitingFor.NEXT_REQUEST, 0.0  # none will come
        if self._paused:
            return WaitingFor.TAKE_ANSWER, 0.0
        if self._current is not None and self._current.payload.is_eof():
            return None
        if self._arrival is not None:
            return WaitingFor.REST_OF_REQUEST, self._arrival.when()
        if self._serving:
            return None
        return WaitingFor.NEXT_REQUEST if self._heard else WaitingFor.FIRST_BYTE, self._idle_until

    def make_room(self) -> None:
        """Close now what waits for its client."""
        if self._waits():
            self.force_close()
        else:
            self.abort()

    def _waits(self) -> bool:
        """Whether nothing of a request is here."""
        return not self._serving and self._arrival is None

    def close_if_idle(self) -> None:
        if self._waits():
            self.force_close()

    def abort(self) -> None:
        """End it now, and what it is working on."""
        if self.transport is not None:
            self.transport.abort()
        for work in (self._current.work if self._current is not None else None, self._ending):
            if work is not None:
                work.cancel()
