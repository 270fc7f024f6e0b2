"""Authentication against real HTTP servers: an identity provider's JWKS and the app's own "who am I"."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest
from aiohttp import web

from siddes_telemetry.web.auth import introspection as introspection_module
from siddes_telemetry.web.auth import jwks as jwks_module
from siddes_telemetry.web.auth.authenticator import ViewerAuthenticator
from siddes_telemetry.web.auth.configuration import (
    AuthClocks,
    AuthConfiguration,
    IntrospectionConfiguration,
    TokenConfiguration,
)
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth.http_client import FetchError, HttpGet
from siddes_telemetry.web.auth.jwks import FETCH_EVERY_S, MAX_JWKS_BYTES
from siddes_telemetry.web.credentials import Credentials
from tests.unit.web.auth.auth_harness import Metrics, bearer, claims, jwk, jwk_set, outcome, pem, private_key

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


class ShiftedClock:
    """The monotonic clock, and minutes that nobody waits for."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def chain(
    *,
    jwks_url: str | None = None,
    auth_url: str | None = None,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ViewerAuthenticator:
    return make_authenticator(
        AuthConfiguration(
            tokens=None if jwks_url is None else TokenConfiguration(jwks_url=jwks_url, algorithm="ES256"),
            introspection=None if auth_url is None else IntrospectionConfiguration(auth_url, "user.id"),
            session_cookie="sid",
        ),
        metrics=metrics or Metrics(),
        clocks=AuthClocks(time.time, clock),
    )


def signed(number: int = 0, sub: str = "viewer-1") -> Credentials:
    said = claims(exp=time.time() + 60, sub=sub)
    return bearer(jwt.encode(said, private_key("ES256", number), "ES256", headers={"kid": f"k{number}"}))


@dataclass
class Provider:
    """An identity provider whose keys rotate. `gate` holds its answers back; an answer is as of when it was asked."""

    keys: list[dict[str, object]] = field(default_factory=lambda: [jwk("ES256")])
    seen: list[web.Request] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # set with each question

    def __post_init__(self) -> None:
        self.gate.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        body = jwk_set(*self.keys)
        self.asked.set()
        await self.gate.wait()
        return web.Response(body=body, headers={"Set-Cookie": f"a={CANARY}"})


async def test_a_made_up_token_before_a_rotation_costs_nobody_a_401() -> None:
    provider, clock = Provider(), ShiftedClock()
    async with serving({"/jwks": provider.answer}) as base, chain(jwks_url=f"{base}/jwks", clock=clock) as auth:
        assert await outcome(auth, signed()) == ("viewer-1", False)
        clock.ahead_s += FETCH_EVERY_S
        assert await outcome(auth, signed(66)) == "no_viewer"
        provider.keys.append(jwk("ES256", 1))
        assert await outcome(auth, signed(1)) == "unavailable"
        clock.ahead_s += FETCH_EVERY_S
        assert await outcome(auth, signed(1)) == ("viewer-1", False)
        assert await outcome(auth, signed()) == ("viewer-1", False)
    assert len(provider.seen) == 3
    assert dict(provider.seen[2].headers) == {"Host": provider.seen[2].host, "Accept": "application/json"}


async def test_a_crowd_under_a_new_key_is_one_question_and_known_keys_do_not_wait() -> None:
    provider, clock, metrics = Provider(), ShiftedClock(), Metrics()
    async with (
        serving({"/jwks": provider.answer}) as base,
        chain(jwks_url=f"{base}/jwks", clock=clock, metrics=metrics) as auth,
    ):
        await outcome(auth, signed())
        clock.ahead_s += FETCH_EVERY_S
        provider.keys.append(jwk("ES256", 1))
        provider.gate.clear()
        provider.asked.clear()
        crowd = [asyncio.create_task(outcome(auth, signed(1, f"v{number}"))) for number in range(50)]
        made_up = [asyncio.create_task(outcome(auth, signed(66, f"v{number}"))) for number in range(50)]
        await provider.asked.wait()
        crowd.pop().cancel()
        assert await outcome(auth, signed(sub="known")) == ("known", False)
        late = asyncio.create_task(outcome(auth, signed(66)))
        await asyncio.sleep(0)
        provider.gate.set()
        assert await asyncio.gather(*crowd) == [(f"v{number}", False) for number in range(49)]
        assert await asyncio.gather(*made_up) == ["no_viewer"] * 50
        assert await late == "unavailable"  # the question was under way when it came
    assert len(provider.seen) == 2
    assert metrics.refused() == {"unknown_key": 50}
    assert metrics.value("siddes_auth_attempts_total", method="bearer", outcome="key_pending") == 1


async def test_while_the_provider_is_away_known_keys_go_on_and_no_other_token_is_refused() -> None:
    provider, clock, metrics = Provider(), ShiftedClock(), Metrics()
    async with (
        serving({"/jwks": provider.answer}) as base,
        chain(jwks_url=f"{base}/jwks", clock=clock, metrics=metrics) as auth,
    ):
        await outcome(auth, signed())
        provider.keys = []  # no keys are no answer
        for _ in range(3):
            clock.ahead_s += FETCH_EVERY_S
            for number in range(20):
                assert await outcome(auth, signed(1, f"v{number}")) == "unavailable"
                assert await outcome(auth, signed(0, f"v{number}")) == (f"v{number}", False)
        assert len(provider.seen) == 4
        provider.keys = [jwk("ES256"), jwk("ES256", 1)]
        clock.ahead_s += FETCH_EVERY_S
        assert await outcome(auth, signed(1)) == ("viewer-1", False)
    assert metrics.refused() == {}


@pytest.mark.timeout(20)
async def test_a_provider_that_hangs_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "MAX_WAIT_S", 0.1)
    provider, clock = Provider(), ShiftedClock()
    async with serving({"/jwks": provider.answer}) as base, chain(jwks_url=f"{base}/jwks", clock=clock) as auth:
        await outcome(auth, signed())
        clock.ahead_s += FETCH_EVERY_S
        provider.keys.append(jwk("ES256", 1))
        provider.gate.clear()
        waiting = [outcome(auth, signed(number)) for number in (1, 1, 66)]
        assert await asyncio.gather(*waiting) == ["unavailable"] * 3
        provider.gate.set()
        monkeypatch.undo()
        assert await outcome(auth, signed(1)) == ("viewer-1", False)
    assert len(provider.seen) == 2


async def test_closing_ends_those_who_wait_for_keys() -> None:
    provider = Provider()
    provider.gate.clear()
    async with serving({"/jwks": provider.answer}) as base:
        async with chain(jwks_url=f"{base}/jwks") as auth:
            waiting = [asyncio.create_task(outcome(auth, signed())) for _ in range(3)]
            await provider.asked.wait()
        assert (await asyncio.wait(waiting))[1] == set()
        provider.gate.set()
    assert all(each.cancelled() for each in waiting)


async def test_a_replaced_key_file_is_seen_by_the_next_token(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(pem(private_key("ES256")))
    tokens = TokenConfiguration(key_file=path, algorithm="ES256")
    auth = make_authenticator(
        AuthConfiguration(tokens=tokens), metrics=Metrics(), clocks=AuthClocks(time.time, time.monotonic)
    )
    async with auth:
        assert await outcome(auth, signed()) == ("viewer-1", False)
        assert await outcome(auth, signed(1)) == "no_viewer"
        path.with_suffix(".new").write_bytes(pem(private_key("ES256", 1)))
        path.with_suffix(".new").replace(path)
        assert await outcome(auth, signed(1)) == ("viewer-1", False)
        path.unlink()
        assert await outcome(auth, signed(2)) == "unavailable"
        assert await outcome(auth, signed(1, "another")) == ("another", False)


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


async def _failure(base: str) -> FetchError | None:
    get = HttpGet()
    try:
        await get(base, {}, max_bytes=10_000, timeout_s=5)
    except FetchError as failure:
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
    monkeypatch.setattr(introspection_module, "REQUEST_TIMEOUT_S", 0.2)
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
