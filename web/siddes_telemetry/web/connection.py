"""One client's HTTP/1.1 connection: parses requests and answers them in order.

aiohttp's own server is not used: it quotes unparsable bytes in its response and in its log, leaves a handler waiting
for a body that breaks off, and needs a task for each connection and for each request. Here every such error is one
ErrorCode, a request has a bounded time to arrive, and a request that waits for nothing, or for one future, needs no
task.

A connection has two states, as in h11: `Receiving` for what the client sends (the table is in request_arrival.py), and
`Answering` for what we do. One request at a time is answered; those behind it wait in the queue (flow_control.py).

Answering  event                                             next       does
IDLE       a request's head, or an error in its place        SERVING    hands it to the app, or sends the error
SERVING    response sent                                     IDLE       starts the idle timer
SERVING    response sent, more requests queued               SERVING    begins the next one in the next loop iteration
SERVING    response sent, but the client does not take it,   FINISHING  a task waits for the client and drops the body
           or the body is not read, or it is the last one
SERVING    work cancelled: no response                       IDLE       closes
FINISHING  client took the response; the connection stays    IDLE       as from SERVING
FINISHING  client took the last response, may still send     CLOSING    closes our side, drops what arrives
FINISHING  client did not take it in time                    IDLE       closes
CLOSING    client closed, or did not in time                 IDLE       closes
any        connection lost                                   the same   IDLE: `gone`; else `gone` follows the work's end

Receiving.STOPPED and `parser is None` go together. A client that has closed its sending side (`_half_closed`) still
gets its responses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

import structlog
from aiohttp import hdrs

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import EMPTY_PAYLOAD, HttpVersion10, RawRequestMessage, StreamReader
from siddes_telemetry.web.client_memory import ClientMemoryLimit
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.connection_closing import IDLE, SERVING, Answering, ClosableConnection
from siddes_telemetry.web.connection_limits import LARGE_BODY_BYTES, MAX_DROPPED_BYTES, PIECE_BYTES, ClientTimeouts
from siddes_telemetry.web.incoming_request import App, IncomingRequest
from siddes_telemetry.web.request_arrival import Receiving
from siddes_telemetry.web.response_encoding import EncodedResponse

_KEEP = b"\r\n"
_KEEP_1_0 = b"Connection: keep-alive\r\n\r\n"
_CLOSE = b"Connection: close\r\n\r\n"

log = structlog.get_logger(__name__)


class Connection(ClosableConnection):
    """An asyncio protocol. `is_draining` says whether to close after the next response; `gone` is called at the end."""

    __slots__ = ("_app", "_gone", "_is_draining")

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
        super().__init__(timeouts=timeouts, client_memory=client_memory, loop=loop)
        self._app = app
        self._is_draining = is_draining
        self._gone = gone

    # Receiving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=0)  # wait for whatever the kernel does not take at once
        self._start_idle_timer(self._timeouts.silence_s)

    def data_received(self, data: bytes) -> None:
        if self.parser is None:
            return
        if len(data) > PIECE_BYTES:
            for start in range(0, len(data), PIECE_BYTES):
                self.data_received(data[start : start + PIECE_BYTES])
            return
        try:
            requests, upgraded, _ = self.parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - whatever the parser raises, the client sent it
            log.debug("unparsable", error=type(error).__name__)
            self.break_off(ErrorCode.bad_request)
            return
        queue = self._queue
        if requests:
            queue.extend(requests)
        if requests or data or self._arrival.open_body is not None:
            self._arrival.received(requests, len(data))
        if queue and (self._answering is not IDLE or len(queue) > 1):
            self._received_ahead(len(data))
        if upgraded:  # we do not upgrade; what follows is not HTTP
            self._stop_receiving()
        if requests and self._answering is IDLE:
            self._serve_next()

    def break_off(self, code: ErrorCode) -> None:
        """Receive no more; answer with this error after the responses that are still due."""
        body_failed = self._arrival.fail_body(ApiError(code))  # where its request reads it, now or later
        self._stop_receiving()
        if body_failed:
            return
        self._queue.append((code, EMPTY_PAYLOAD))
        if self._answering is IDLE:
            self._serve_next()

    def eof_received(self) -> bool:
        """The client closed its sending side. True keeps ours open."""
        if self._answering is Answering.CLOSING or self._is_unused():
            return False
        self._half_closed = True
        if self._arrival.state is Receiving.PARTIAL:
            self.break_off(ErrorCode.bad_request)
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_receiving()
        self._arrival.fail_body(ApiError(ErrorCode.bad_request))
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)
        self._client_memory.set_usage(self, 0)
        self._queue.clear()
        self._arrival.release()
        if self._client_closed is not None and not self._client_closed.done():
            self._client_closed.set_result(None)
        if self._answering is IDLE:
            self._gone(self)

    # Answering, in order

    def _serve_next(self) -> None:
        """Begin with the oldest request in the queue."""
        self._answering = SERVING
        if not self._queue:  # the connection was lost since this was scheduled
            self._end()
            return
        message, payload = self._queue.popleft()
        self._taken_from_queue()
        if isinstance(message, ErrorCode):
            if self._send(self._app.refuse(message), _CLOSE):
                self._finish(self._close_gently())
            else:
                self._end()
            return
        incoming = self._current = IncomingRequest(message, payload, self)
        try:
            self._app.serve(incoming)
        except Exception as defect:  # noqa: BLE001 - a defect must not leave the client without a response
            place = code_location(defect)
            log.error("serve_failed", error=type(defect).__name__, at=place)
            if self._current is incoming:
                self.answered(incoming, self._app.refuse(ErrorCode.internal))

    def answered(self, incoming: IncomingRequest, response: EncodedResponse | None) -> None:
        """Called by the current request: send its response, and go on."""
        self._current = incoming.work = None  # an exception of the work refers to its request: break the cycle
        message, payload = incoming.message, incoming.payload
        if not payload.at_eof() and payload.is_eof():
            payload.read_nowait()  # arrived, but not read by the handler
        if response is None:
            self._end()
            return
        keep = self._keeps_alive(message, payload)
        ending = _CLOSE if not keep else _KEEP_1_0 if message.version == HttpVersion10 else _KEEP
        if not self._send(response, ending):
            self._end()
        elif keep and payload.is_eof() and not self.writing_blocked:
            self._go_on()
        else:
            self._finish(self._after_response(payload, keep=keep))

    def _go_on(self) -> None:
        if self.transport is None:
            self._end()
        elif self._queue:
            self._answering = SERVING
            self.loop.call_soon(self._serve_next)  # in the next turn: other connections get theirs in between
        else:
            self._answering = IDLE
            self._start_idle_timer(self._timeouts.idle_s)

    def _keeps_alive(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Whether the connection stays open after this response."""
        if message.should_close or message.upgrade:
            return False  # after an upgrade that was not made, the parser cannot tell what follows
        if not self._queue and (
            self.parser is None or self._half_closed or self._arrival.large_head or self._is_draining()
        ):
            return False
        if payload.is_eof():
            return True
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        return length is not None and int(length) <= MAX_DROPPED_BYTES and hdrs.EXPECT not in message.headers

    def _send(self, response: EncodedResponse, ending: bytes) -> bool:
        head, body = response
        if len(body) < LARGE_BODY_BYTES:
            return self.write(head + ending + body)
        return self.write(head + ending, body)

    def write(self, *pieces: bytes) -> bool:
        """Send these. False: the connection is closing or lost."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if len(pieces) == 1:
            transport.write(pieces[0])
        else:
            transport.writelines(pieces)
        return True

    # What a response leaves to do

    def _finish(self, steps: Coroutine[None, None, bool]) -> None:
        """Run these in a task; they return whether the connection can take another request."""
        self._answering = Answering.FINISHING
        self._finishing = self.loop.create_task(steps)
        self._finishing.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[bool]) -> None:
        self._finishing = None
        if not task.cancelled() and task.exception() is None and task.result():
            self._go_on()
        else:
            self._end()

    async def _after_response(self, payload: StreamReader, *, keep: bool) -> bool:
        """Wait until the client took the response, and drop the rest of the request's body."""
        if self.writing_blocked and not await self._taken_by_client():
            return False
        if payload.is_eof():
            if keep:
                return True
            if self._arrival.state in (Receiving.STOPPED, Receiving.PARTIAL):  # the client may still be sending
                return await self._close_gently()
            return False
        if keep and await self._rest_dropped(payload):
            return True
        return await self._close_gently()

    async def _taken_by_client(self) -> bool:
        try:
            async with asyncio.timeout(self._timeouts.answer_s):
                await self.flushed()
        except (TimeoutError, ConnectionError):
            return False
        return True

    async def _rest_dropped(self, payload: StreamReader) -> bool:
        """Read the rest of a body that the handler did not want. False: it did not arrive in time."""
        with suppress(TimeoutError, ApiError, ConnectionError):
            async with asyncio.timeout(self._timeouts.closing_s):
                while await payload.readany():
                    pass
                return True
        return False

    def _end(self) -> None:
        """Answer nothing more on this connection."""
        self._answering = IDLE
        self._queue.clear()
        if self.transport is None:
            self._gone(self)
        else:
            self.force_close()
