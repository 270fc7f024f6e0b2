"""The interface between a connection and the application that answers its requests."""

from __future__ import annotations

from typing import Any, Protocol

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.aiohttp_internals import HttpVersion10, RawRequestMessage, StreamReader
from siddes_telemetry.web.reply_future import AnyReplyFuture
from siddes_telemetry.web.response_encoding import EncodedResponse

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class App(Protocol):
    """Answers requests: RequestPipeline on the public port, AdminApp on the admin port."""

    def serve(self, incoming: IncomingRequest) -> None:
        """Call `incoming.answer` exactly once, now or later. An exception is a defect."""

    def refuse(self, code: ErrorCode) -> EncodedResponse:
        """The response to bytes that could not be parsed as a request."""


class ResponseWriter(Protocol):
    """The connection, as a request sees it."""

    def write(self, *pieces: bytes) -> bool: ...

    def answered(self, incoming: IncomingRequest, response: EncodedResponse | None) -> None: ...


class IncomingRequest:
    """A request whose head has arrived; the body may still be arriving."""

    __slots__ = ("_connection", "message", "payload", "work")

    def __init__(self, message: RawRequestMessage, payload: StreamReader, connection: ResponseWriter) -> None:
        self.message = message
        self.payload = payload
        self.work: AnyReplyFuture[Any] | None = None  # what the response waits for; cancelled with the connection
        self._connection = connection

    def invite_body(self) -> None:
        """Send `100 Continue`, unless the body is here already or the client is HTTP/1.0 (RFC 9110, 10.1.1)."""
        if not self.payload.is_eof() and self.message.version != HttpVersion10:
            self._connection.write(_CONTINUE)

    def answer(self, response: EncodedResponse | None) -> None:
        """Send the response. None: the work was cancelled; the connection closes without a response."""
        self._connection.answered(self, response)
