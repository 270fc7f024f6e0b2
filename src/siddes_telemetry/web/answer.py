"""An answer as bytes. Written in one piece, so that speed does not hang on a framework's response classes."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp.helpers import rfc822_formatted_time

from siddes_telemetry.web.routing import Response

_JSON = "Content-Type: application/json\r\n"
_NO_STORE = "Cache-Control: no-store\r\n"
_JSON_NO_STORE = _JSON + _NO_STORE
_WITHOUT_LENGTH = frozenset({204, 304})  # RFC 9110, 8.6
_FIRST_LINES = {
    int(status): f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: siddes\r\nX-Content-Type-Options: nosniff\r\n"
    for status in HTTPStatus
}


class Answer:
    """What goes out. `head` lacks its last lines: the connection adds whether it stays open."""

    __slots__ = ("body", "head")

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body


def render(response: Response, request_id: str, more_lines: str = "", *, with_body: bool = True) -> Answer:
    """The answer to a request. `more_lines` are whole header lines; `with_body` is false for HEAD."""
    body = response.body
    own = _lines(response.headers, bool(body)) if response.headers else _JSON_NO_STORE if body else _NO_STORE
    length = "" if response.status in _WITHOUT_LENGTH else f"Content-Length: {len(body)}\r\n"
    head = (
        f"{_FIRST_LINES[response.status]}{own}{length}Date: {rfc822_formatted_time()}\r\n"
        f"X-Request-Id: {request_id}\r\n{more_lines}"
    )
    return Answer(head.encode("latin-1"), body if with_body else b"")


def _lines(headers: Iterable[tuple[str, str]], has_body: bool) -> str:  # noqa: FBT001 - private, named at its one call
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    names = {name.lower() for name, _ in headers}
    if has_body and "content-type" not in names:
        lines += _JSON
    return lines if "cache-control" in names else lines + _NO_STORE
