"""Made-up session cookies by the hundred, on keep-alive connections, and people with good ones beside them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

from prometheus_client import CollectorRegistry

from siddes_telemetry.web.auth.configuration import AuthClocks, AuthConfiguration, IntrospectionConfiguration
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth_me import AUTH_ME
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.metrics import HttpMetrics
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.request_pipeline import RequestPipeline
from siddes_telemetry.web.routing import RouteAccess
from siddes_telemetry.web.server import HttpServer
from tests.product.client import eventually
from tests.unit.web.auth.auth_harness import ManualClocks, Metrics

ANSWERS_IN_S = 0.05


class SlowApp:
    """An app whose "who am I" takes a while; good are the cookies that begin with `good`."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.signed_out: set[str] = set()
        self.open = self.most_open = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SlowApp]:
        talking: set[asyncio.Task[None]] = set()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talking.add(task)
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    writer.write(await self._answer(head.partition("sid=")[2].partition("\r\n")[0]))
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass  # the other side is gone, or the app is to end
            finally:
                talking.discard(task)
                writer.close()

        server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/me"
        try:
            yield self
        finally:
            server.close()
            for task in tuple(talking):
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)

    async def _answer(self, cookie: str) -> bytes:
        self.asked[cookie] += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        await asyncio.sleep(ANSWERS_IN_S)  # what it is here for
        self.open -= 1
        if not cookie.startswith("good") or cookie in self.signed_out:
            return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        body = json.dumps({"viewer_id": cookie}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Person:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, cookie: str) -> int:
        """The status of the answer to a request with this session cookie."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(f"GET /api/auth/me HTTP/1.1\r\nHost: a.example\r\nCookie: sid={cookie}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head.split(b" ", 2)[1])

    async def leave(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()


class Scene:
    """A gateway's request pipeline on a socket, the app it asks, and a clock of sessions that is moved by hand."""

    def __init__(self, app: SlowApp, clocks: ManualClocks, metrics: Metrics, port: int) -> None:
        self.app = app
        self.clocks = clocks
        self.metrics = metrics
        self._port = port
        self._numbers = count()

    def person(self) -> Person:
        return Person("127.0.0.1", self._port)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what strangers and the app do."""

        async def asked() -> bool:
            return true()

        await eventually(asked, lambda: "it does not come to it")

    def made_up(self) -> str:
        return f"made-up-{next(self._numbers)}"

    @asynccontextmanager
    async def flood(self, connections: int) -> AsyncIterator[Counter[int]]:
        """While the context lasts: that many connections with a new made-up cookie in each request, one right after
        the other. Gives the statuses of their answers."""
        statuses: Counter[int] = Counter()

        async def ask_for_ever(person: Person) -> None:
            while True:
                statuses[await person.ask(self.made_up())] += 1

        strangers = [self.person() for _ in range(connections)]
        tasks = [asyncio.create_task(ask_for_ever(person)) for person in strangers]
        try:
            await self.until(lambda: statuses.total() >= connections)  # under way
            yield statuses
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(person.leave() for person in strangers), return_exceptions=True)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    clocks, metrics = ManualClocks(), Metrics()
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(SlowApp().running())
        authenticator = await stack.enter_async_context(
            make_authenticator(
                AuthConfiguration(introspection=IntrospectionConfiguration(app.url), session_cookie="sid"),
                metrics=metrics,
                clocks=AuthClocks(time.time, clocks.clocks.monotonic_s),
            )
        )
        pipeline = RequestPipeline(
            [AUTH_ME],
            authenticator=authenticator,
            limits={
                access: RateLimiter(0, clock_ns=time.monotonic_ns) for access in (RouteAccess.READ, RouteAccess.WRITE)
            },
            enabled=True,
            cors=CorsPolicy([]),
            metrics=HttpMetrics(CollectorRegistry()),
            clock=time.monotonic,
            random=random.Random(),
        )
        server = HttpServer(pipeline)
        port = await server.listen("127.0.0.1", 0)
        try:
            yield Scene(app, clocks, metrics, port)
        finally:
            await server.stop(5.0)
