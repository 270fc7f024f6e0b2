"""Encodes responses as bytes. A framework's response classes would cost time for each request."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from siddes_telemetry.web.aiohttp_internals import rfc822_formatted_time
from siddes_telemetry.web.routing import Response

_JSON = "Content-Type: application/json\r\n"
_NO_STORE = "Cache-Control: no-store\r\n"
_WITHOUT_LENGTH = frozenset({204, 304})  # RFC 9110, 8.6
_FIRST_LINES = {
    int(status): f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: siddes\r\nX-Content-Type-Options: nosniff\r\n"
    for status in HTTPStatus
}


EncodedResponse = tuple[bytes, bytes]
"""Head and body. The head lacks its end: the connection adds the Connection header and the empty line."""


def encode_response(
    response: Response, request_id: str, more_lines: str = "", *, with_body: bool = True
) -> EncodedResponse:
    """The response to a request. `more_lines` are whole header lines; `with_body` is false for HEAD."""
    body = response.body
    lines = _own_lines(response.status, response.headers, len(body))
    head = f"{lines}Date: {rfc822_formatted_time()}\r\nX-Request-Id: {request_id}\r\n{more_lines}"
    return head.encode("latin-1"), body if with_body else b""


@lru_cache(maxsize=256)  # most responses are one of a few; a summary has its own ETag
def _own_lines(status: int, headers: tuple[tuple[str, str], ...], length: int) -> str:
    """The status line, and the header lines that depend on the response only."""
    lines = _FIRST_LINES[status] + "".join(f"{name}: {value}\r\n" for name, value in headers)
    names = {name.lower() for name, _ in headers}
    if length and "content-type" not in names:
        lines += _JSON
    if "cache-control" not in names:
        lines += _NO_STORE
    return lines if status in _WITHOUT_LENGTH else f"{lines}Content-Length: {length}\r\n"
