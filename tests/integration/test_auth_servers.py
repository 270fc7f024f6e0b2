"""Authentication against real HTTP servers: an identity provider's JWKS and the app's own "who am I"."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import jwt
import pytest
from aiohttp import web

from siddes_telemetry.web.auth import introspection as introspection_module
from siddes_telemetry.web.auth.authenticator import make_authenticator
from siddes_telemetry.web.auth.chain import ViewerAuthenticator
from siddes_telemetry.web.auth.configuration import (
    AuthConfiguration,
    Clocks,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from siddes_telemetry.web.auth.http_get import FetchFailed, HttpGet
from siddes_telemetry.web.auth.jwks import MAX_JWKS_BYTES
from siddes_telemetry.web.credentials import Credentials
from tests.unit.web.auth.rig import Metrics, bearer, claims, jwk, jwk_set, outcome, private_key

CANARY = "canary9907"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handlers: Mapping[str, Handler]) -> AsyncIterator[str]:
    """The base URL of a loopback server."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(answer: bytes) -> AsyncIterator[str]:
    """The base URL of a server that says these bytes, whatever it is asked, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def chain(
    *, jwks_url: str | None = None, auth_url: str | None = None, metrics: Metrics | None = None
) -> ViewerAuthenticator:
    return make_authenticator(
        AuthConfiguration(
            tokens=None if jwks_url is None else TokenConfiguration(jwks_url=jwks_url, algorithm="ES256"),
            introspection=None if auth_url is None else IntrospectionConfiguration(auth_url, "user.id"),
            session_cookie="sid",
        ),
        metrics=metrics or Metrics(),
        clocks=Clocks(time.time, time.monotonic),
    )


def signed(number: int = 0) -> Credentials:
    exp = time.time() + 60
    return bearer(jwt.encode(claims(exp=exp), private_key("ES256", number), "ES256", headers={"kid": f"k{number}"}))


async def test_keys_rotate_at_a_real_url() -> None:
    keys = [jwk("ES256")]
    seen: list[web.Request] = []

    async def jwks(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=jwk_set(*keys), headers={"Set-Cookie": f"a={CANARY}"})

    async with serving({"/jwks": jwks}) as base, chain(jwks_url=f"{base}/jwks") as auth:
        assert await outcome(auth, signed()) == ("viewer-1", False)
        keys.append(jwk("ES256", 1))
        assert await outcome(auth, signed(1)) == ("viewer-1", False)
        assert await outcome(auth, signed(2)) == "no_viewer"
    assert len(seen) == 2
    assert dict(seen[1].headers) == {"Host": seen[1].host, "Accept": "application/json"}  # no cookie came back


async def _ends_up_elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("/good")


async def _good_keys(request: web.Request) -> web.Response:
    return web.Response(body=jwk_set(jwk("ES256")))


async def _too_many_keys(request: web.Request) -> web.Response:
    return web.Response(body=jwk_set(jwk("ES256"), {"kty": "x" * MAX_JWKS_BYTES}))


@pytest.mark.parametrize("handler", [_ends_up_elsewhere, _too_many_keys])
async def test_a_jwks_redirect_or_flood_is_no_answer(handler: Handler) -> None:
    async with serving({"/jwks": handler, "/good": _good_keys}) as base, chain(jwks_url=f"{base}/jwks") as auth:
        assert await outcome(auth, signed()) == "unavailable"


async def test_a_url_nobody_listens_at_is_no_answer() -> None:
    async with serving({}) as base:
        pass
    metrics = Metrics()
    async with chain(jwks_url=f"{base}/jwks", auth_url=f"{base}/me", metrics=metrics) as auth:
        assert await outcome(auth, signed()) == "unavailable"
        assert await outcome(auth, Credentials(cookie="sid=opaque")) == "unavailable"
    assert metrics.value("siddes_auth_introspection_failures_total", reason="connection") == 1


async def test_the_app_gets_one_cookie_and_nothing_else_of_the_client() -> None:
    seen: list[web.Request] = []

    async def me(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"user": {"id": 42}}, headers={"Set-Cookie": "sid=another; Path=/"})

    async with serving({"/me": me}) as base, chain(auth_url=f"{base}/me") as auth:
        for value in ("abc", '"a,b c\\"', "x=y=="):
            sent = Credentials(cookie=f"tracking={CANARY}; sid={value}; z=1", dev_viewer=CANARY)
            assert await outcome(auth, sent) == ("42", True)
            assert await outcome(auth, sent) == ("42", True)
    assert [dict(request.headers) for request in seen] == [
        {"Host": seen[0].host, "Accept": "application/json", "Cookie": f"sid={value}"}
        for value in ("abc", '"a,b c\\"', "x=y==")
    ]
    assert {request.path_qs for request in seen} == {"/me"}


async def test_the_app_gets_the_chunks_of_a_session_as_they_were_sent() -> None:
    seen: list[web.Request] = []

    async def me(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"user": {"id": 42}})

    async with serving({"/me": me}) as base, chain(auth_url=f"{base}/me") as auth:
        sent = Credentials(cookie=f"sid.1=def; {CANARY}={CANARY}; sid.0=abc; sid.3={CANARY}")
        assert await outcome(auth, sent) == ("42", True)
        assert await outcome(auth, Credentials(cookie="sid.0=a\x01b; sid.1=c")) == "no_viewer"
    assert [request.headers.getall("Cookie") for request in seen] == [["sid.0=abc; sid.1=def"]]


def _answers(**answer: object) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(**answer)  # type: ignore[arg-type]  # any of Response's own arguments

    return handler


def _redirects(status: int, location: str) -> Handler:
    return _answers(status=status, headers={"Location": location}, body=GOOD)


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 4096)
    except ConnectionError:
        return response


GOOD = b'{"user":{"id":"v1"}}'


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (_answers(body=GOOD), ("v1", True)),
        (_answers(body=GOOD, content_type="text/html"), ("v1", True)),
        (_answers(body=b'{"user":null}'), "no_viewer"),
        (_answers(status=401), "no_viewer"),
        (_answers(status=403, body=b"x" * 200_000), "no_viewer"),
        (_answers(status=500, body=GOOD), "unavailable"),
        (_answers(status=204), "unavailable"),
        (_answers(body=b"<html>"), "unavailable"),
        (_answers(body=GOOD + b" " * 65_536), "unavailable"),
        (_answers(body=gzip.compress(GOOD), headers={"Content-Encoding": "gzip"}), ("v1", True)),
        (_answers(body=zlib.compress(GOOD), headers={"Content-Encoding": "deflate"}), ("v1", True)),
        (_answers(body=gzip.compress(GOOD + b" " * 5_000_000), headers={"Content-Encoding": "gzip"}), "unavailable"),
        (_answers(body=gzip.compress(GOOD)[:-1], headers={"Content-Encoding": "gzip"}), "unavailable"),
        (_answers(body=GOOD, headers={"Content-Encoding": "compress"}), "unavailable"),
        (_ends_up_elsewhere, "no_viewer"),
        (_redirects(302, "/login"), "no_viewer"),
        (_redirects(303, "https://accounts.example/sign-in"), "no_viewer"),
        (_redirects(307, "/login"), "no_viewer"),
        (_redirects(301, "/login"), "unavailable"),
        (_redirects(308, "/good"), "unavailable"),
        (_redirects(302, "https://www.app.example/me"), "unavailable"),
        (_redirects(307, "/me/"), "unavailable"),
        (_redirects(302, "http://[canary"), "unavailable"),
        (_answers(status=302), "unavailable"),
        (_answers(status=300, headers={"Location": "/login"}), "unavailable"),
        (_endless, "unavailable"),
    ],
)
async def test_what_the_app_answers(handler: Handler, expected: object) -> None:
    followed: list[str] = []

    async def good(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response(body=GOOD)

    async with serving({"/me": handler, "/good": good}) as base, chain(auth_url=f"{base}/me") as auth:
        assert await outcome(auth, Credentials(cookie="sid=opaque")) == expected
    assert followed == []


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        CANARY.encode() + b" nonsense\r\n\r\n",
        b"HTTP/1.1 999999 %s\r\n\r\n" % CANARY.encode(),
        b"HTTP/1.1 200 OK\r\n%s: a\x00b\r\n\r\n" % CANARY.encode(),
        HEAD + b"Content-Length: 100\r\n\r\n" + GOOD,
        HEAD + b"Content-Length: %s\r\n\r\n" % CANARY.encode() + GOOD,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n" % CANARY.encode(),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}{}{%s" % CANARY.encode(),
        HEAD + b"X: " + CANARY.encode() * 20_000 + b"\r\n\r\n" + GOOD,
        HEAD.replace(b"200 OK", b"302 Found") + b"Location: http://%s[:\x01/\r\n\r\n" % CANARY.encode(),
        HEAD.replace(b"200 OK", b"301 %s" % CANARY.encode()) + b"Location: /%s\r\n\r\n" % CANARY.encode(),
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + CANARY.encode(),
        HEAD + b"Content-Encoding: %s\r\n\r\n%s" % (CANARY.encode(), GOOD),
        HEAD + b"Set-Cookie: %s[=\x01; Path\r\n\r\n%s" % (CANARY.encode(), CANARY.encode()),
    ],
)
async def test_broken_http_is_no_answer_and_is_not_quoted(
    answer: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with speaking(answer) as base, chain(jwks_url=f"{base}/jwks", auth_url=f"{base}/me") as auth:
        assert await outcome(auth, Credentials(cookie=f"sid={CANARY}")) == "unavailable"
        assert await outcome(auth, signed()) == "unavailable"
        failure = await _failure(base)
    assert failure is None or failure.__context__ is None or failure.__suppress_context__
    assert failure is None or failure.__cause__ is None
    assert CANARY not in str(failure)
    assert CANARY not in caplog.text
    assert CANARY not in "".join(capfd.readouterr())


async def _failure(base: str) -> FetchFailed | None:
    get = HttpGet()
    try:
        await get(base, {}, max_bytes=10_000, timeout_s=5)
    except FetchFailed as failure:
        return failure
    finally:
        await get.close()
    return None


Hang = Callable[[asyncio.Event], Handler]


def _before_the_head(over: asyncio.Event) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response(body=GOOD)

    return handler


def _in_mid_body(over: asyncio.Event) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(GOOD[:5])
        await over.wait()
        return response

    return handler


def _by_drips(over: asyncio.Event) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while not over.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.01)  # well within any time between two reads
        except ConnectionError:
            pass
        return response

    return handler


@pytest.mark.timeout(20)  # far over the deadline under test, and far under aiohttp's own
@pytest.mark.parametrize("hang", [_before_the_head, _in_mid_body, _by_drips])
async def test_an_app_that_hangs_is_given_up_on(hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection_module, "ANSWER_TIMEOUT_S", 0.2)
    over, metrics = asyncio.Event(), Metrics()
    async with (
        serving({"/me": hang(over)}) as base,
        chain(auth_url=f"{base}/me", metrics=metrics) as auth,
    ):
        asking = [outcome(auth, Credentials(cookie="sid=opaque")) for _ in range(3)]
        assert await asyncio.gather(*asking) == ["unavailable"] * 3
        over.set()
    assert metrics.value("siddes_auth_introspection_failures_total", reason="timeout") == 1
    assert metrics.value("siddes_auth_attempts_total", method="introspection", outcome="unavailable") == 3


async def test_a_crowd_with_one_cookie_is_one_question() -> None:
    gate, seen = asyncio.Event(), 0

    async def me(request: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        await gate.wait()
        return web.Response(body=GOOD)

    async with serving({"/me": me}) as base, chain(auth_url=f"{base}/me") as auth:
        waiting = [asyncio.create_task(outcome(auth, Credentials(cookie="sid=opaque"))) for _ in range(50)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.set()
        assert await asyncio.gather(*waiting[1:]) == [("v1", True)] * 49
    assert seen == 1


async def test_the_connection_is_kept_and_a_dropped_one_is_made_anew() -> None:
    peers: list[object] = []

    async def me(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        response = web.Response(body=GOOD)
        if len(peers) == 2:
            response.force_close()
        return response

    async with serving({"/me": me}) as base, chain(auth_url=f"{base}/me") as auth:
        for number in range(3):
            assert await outcome(auth, Credentials(cookie=f"sid=c{number}")) == ("v1", True)
    assert peers[0] == peers[1] != peers[2]


def test_closing_without_having_asked_needs_nothing() -> None:
    async def open_and_close(auth: AbstractAsyncContextManager[ViewerAuthenticator]) -> None:
        async with auth:
            pass

    asyncio.run(open_and_close(chain(jwks_url="http://127.0.0.1:1/", auth_url="http://127.0.0.1:1/")))
