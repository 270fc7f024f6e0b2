"""Malformed HTTP with a canary in it, for the parser."""

from __future__ import annotations

from collections.abc import Iterator

from tests.e2e.canaries import Canaries
from tests.e2e.canary_requests import GOOD, INGEST, CanaryRequest

HTTP_0_9 = "GET /{}\r\n\r\n"
LONG = 3000  # repetitions of a canary that no limit of a line lets pass


def broken(canaries: Canaries, auth: tuple[str, str]) -> Iterator[CanaryRequest]:
    """Yields malformed requests. Every port answers most of them with 400."""
    host = "Host: localhost\r\n"
    post = f"POST {INGEST} HTTP/1.1\r\n{host}{auth[0]}: {auth[1]}\r\n"
    chunked = f"{post}Transfer-Encoding: chunked\r\n\r\n"
    for what in (
        "{}\r\n\r\n",
        "GET {}\r\n\r\n",
        HTTP_0_9,
        "GET {} HTTP/1.1\r\n" + host + "\r\n",
        "GET / HTTP/1.1 {}\r\n" + host + "\r\n",
        "GET / HTTP/{}\r\n" + host + "\r\n",
        "GET /a {} HTTP/1.1\r\n" + host + "\r\n",
        "GET /\x01{} HTTP/1.1\r\n" + host + "\r\n",
        "GET http://a:{}/ HTTP/1.1\r\n" + host + "\r\n",
        "GET http://[{}/ HTTP/1.1\r\n" + host + "\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03{}\0\0",
        "GET / HTTP/1.1\r\n{}\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + "{}\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + "X: 1\r\n {}\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + "X: a\0{}\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + "X{} : 1\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + "Host: {}\r\n\r\n",
        post + "Content-Length: {}{}\r\n\r\n",
        post + "Content-Length: 2\r\nContent-Length: 1{}\r\n\r\n{{}}",
        post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunked + "{}\r\n",
        chunked + "2\r\n{}\r\n0\r\n\r\n",
        chunked + "2;\x01{}\r\n{{}}\r\n0\r\n\r\n",
        chunked + "2\r\n{{}}\r\n0\r\n{}\r\n\r\n",
        post + "Expect: {}\r\nContent-Length: 2\r\n\r\n{{}}",
    ):
        c = canaries.new(f"broken: {what!r}")
        yield CanaryRequest(repr(what), what.format(c, c).encode("latin-1"), 400, elsewhere=what == HTTP_0_9)
    for what in (
        "GET /{} HTTP/1.1\r\n" + host + "\r\n",
        *(f"GET / HTTP/1.1\r\n{host}{x}\r\n\r\n" for x in ("X: {}", "{}: 1")),
    ):
        yield CanaryRequest("too long", what.format(canaries.new(f"too long: {what!r}") * LONG).encode(), 400)
    lines = "".join(f"X-{n}: {canaries.new('too many headers')}\r\n" for n in range(200))
    yield CanaryRequest("too many headers", f"GET / HTTP/1.1\r\n{host}{lines}\r\n".encode(), 400)
    good = GOOD.decode()
    extension = canaries.new("a chunk's extension")
    trailer = canaries.new("a trailer")
    body = f"{len(good):x};{extension}={extension}\r\n{good}\r\n0\r\nX-{trailer}: {trailer}\r\n\r\n"
    yield CanaryRequest("chunks", f"{post}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body}".encode(), 200)
    framing = f"1;{canaries.new('framing without end')}\r\n \r\n" * 4000
    yield CanaryRequest("framing", f"{post}Transfer-Encoding: chunked\r\n\r\n{framing}".encode(), 400)
    yield CanaryRequest(
        "cut short", f'{post}Content-Length: 900\r\n\r\n{{"event":"{canaries.new("cut short")}'.encode(), 400
    )
    second = canaries.new("pipelined after an error")
    yield CanaryRequest("pipelined", f"{post}Content-Length: 2\r\n\r\n{{}}GET {second}\r\n\r\n".encode(), 400)
