"""An app for session introspection whose answers contain canaries and break in many ways.

It also serves the key set of an identity provider, to the first request only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.e2e.canaries import Canaries
from tests.e2e.canary_requests import SERIES, SUMMARY, CanaryRequest, request

NOBODY = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TOO_LONG = 5000  # repetitions of a canary; 80 kB
TOO_LONG_FOR_A_VIEWER = 15  # also where there are pseudonyms


@asynccontextmanager
async def app(answers: Mapping[str, bytes], key_set: str | None = None) -> AsyncIterator[str]:
    """Yields the base URL of an app. `answers`: by session cookie. `/jwks` answers once, with `key_set`."""

    keys = iter([] if key_set is None else [_http("200 OK", key_set)])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("GET /jwks "):
            writer.write(next(keys, NOBODY))
        else:
            writer.write(next((answer for cookie, answer in answers.items() if f"={cookie}\r\n" in head), NOBODY))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def sessions(canaries: Canaries, viewer: str, session_cookie: str) -> tuple[list[CanaryRequest], dict[str, bytes]]:
    """Returns requests with session cookies, and the app's answer to each cookie. `viewer` owns the valid sessions."""
    requests: list[CanaryRequest] = []
    answers: dict[str, bytes] = {}

    def add(what: str, status: int, answer: bytes, *lines: str) -> None:
        """`lines`: Cookie headers, with placeholders for the session cookie's name and value."""
        cookie = canaries.new(f"cookie of a session: {what}")
        answers[cookie] = answer
        header = [("Cookie", line.format(name=session_cookie, value=cookie)) for line in lines or ("{name}={value}",)]
        reads = (request(header, None, method="GET", target=target) for target in (SUMMARY, SERIES))
        requests.extend(CanaryRequest(f"session: {what}", sent, status) for sent in (request(header), *reads))

    def new(what: str) -> str:
        return canaries.new(f"the app's answer: {what}")

    me = json.dumps({"viewer_id": viewer, "email": f"{new('a field')}@mail.example", "groups": [new("nested")]})
    add("good", 200, _http("200 OK", me, f"Set-Cookie: a={new('a cookie')}\r\nX-{new('a header')}: 1\r\n"))
    named = _http("200 OK", json.dumps({"viewer_id": viewer}))
    add("in one of several lines", 200, named, f"a={canaries.new('a line of Cookie')}", "{name}={value}", "b=c")
    add("in chunks", 200, named, f"{{name}}.0={canaries.new('a chunk')}; {{name}}.1={{value}}")
    chunk = canaries.new("a chunk in a line of its own")
    add("in chunks and lines", 401, NOBODY, f"{{name}}.0={chunk}", f"a={chunk}", "{name}.1={value}")
    chunk = canaries.new("too many chunks")
    add("in too many chunks", 401, NOBODY, *(f"{{name}}.{number}={chunk}" for number in range(20)))
    add("in too many lines", 401, NOBODY, *(f"a{number}={chunk * 200}" for number in range(20)), "{name}={value}")
    for what, body in {
        "illegal viewer": {"viewer_id": new("illegal viewer") * TOO_LONG_FOR_A_VIEWER},
        "viewer that is a list": {"viewer_id": [new("viewer that is a list")]},
        "no viewer": {"error": new("no viewer")},
    }.items():
        add(what, 401, _http("200 OK", json.dumps(body)))
    add("401", 401, _http("401 Unauthorized", new("401")))
    sign_in = f"Location: http://{new('redirect to sign in')}.example/{new('its path')}?{new('its query')}\r\n"
    add("redirect to sign in", 401, _http("302 Found", new("its body"), sign_in))
    for what, answer in {
        "500": _http("500 Internal Server Error", new("500")),
        "reason": _http(f"418 {new('reason')}", "{}"),
        "redirect for good": _http("301 Moved", "", f"Location: http://{new('for good')}.example/\r\n"),
        "redirect to the same path": _http("307 x", "", f"Location: http://{new('the same')}.example/api/auth/me\r\n"),
        "redirect to no URL": _http("302 Found", "", f"Location: http://[{new('no URL')}\r\n"),
        "broken JSON": _http("200 OK", f'{{"viewer_id":"{new("broken JSON")}'),
        "no object": _http("200 OK", f'["{new("no object")}"]'),
        "endless": _http("200 OK", new("endless") * TOO_LONG),
        "cut short": _http("200 OK", "", "").replace(b"Content-Length: 0", b"Content-Length: 99")
        + new("cut short").encode(),
        "coded": _http("200 OK", new("coded"), f"Content-Encoding: {new('coding')}\r\n"),
        "not compressed": _http("200 OK", new("not compressed"), "Content-Encoding: gzip\r\n"),
        "no HTTP": f"{new('no HTTP')}\r\n\r\n".encode(),
        "bad header": f"HTTP/1.1 200 OK\r\n{new('bad header')}\r\n\r\n".encode(),
        "bad chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{new('bad chunk')}\r\n".encode(),
    }.items():
        add(what, 503, answer)
    return requests, answers


def _http(status: str, body: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n{headers}\r\n{body}".encode()
