"""An HTTP proxy between one client and a ClickHouse server that holds statements in traps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from tests.faults.proxies.trap import Fate, Stage, Traps

MAX_BODY_BYTES = 64 * 1024 * 1024
OF_ONE_CONNECTION = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


class Statement(Enum):
    """The statements that tests distinguish."""

    INSERT = auto()  # of a block
    HELD = auto()  # the query of a takeover: what is stored from an offset on
    OTHER = auto()


def statement_of(text: str) -> Statement:
    if "INSERT INTO" in text and "telemetry_counts" in text and "viewer_id" in text:  # not that of no rows
        return Statement.INSERT
    return Statement.HELD if "max(log_offset)" in text else Statement.OTHER


class ClickHouseProxy(Traps):
    """Forwards statements, unless one is held in a trap, or the proxy is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self._thawed = asyncio.Event()
        self._thawed.set()

    def freeze(self) -> None:
        """Accept statements, and neither forward nor answer any."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on with what has come meanwhile."""
        self._thawed.set()

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[str]:
        """Yields `url` with this proxy's address."""
        parts = urlsplit(url)
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        passing: set[asyncio.Task[None]] = set()

        async def pass_on(request: web.Request) -> web.StreamResponse:
            try:
                await request.read()  # once it is here it goes on, even if the client has given up meanwhile
            except ConnectionError:
                return web.Response(status=500)  # nobody receives it
            await self._thawed.wait()
            passage = _Passage(self, session, f"http://{parts.hostname}:{parts.port}", request)
            try:
                answer = await passage.run()
                await self._thawed.wait()
                return answer
            finally:
                if passage.asking is not None:
                    passing.add(asyncio.ensure_future(_ended(passage.asking)))

        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            yield parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            await runner.cleanup()
            await session.close()


class _Passage:
    """One statement on its way to the server, and its answer on the way back."""

    def __init__(self, traps: Traps, session: aiohttp.ClientSession, server: str, request: web.Request) -> None:
        self._traps = traps
        self._session = session
        self._request = request
        self._url = URL(server + request.raw_path, encoded=True)
        self._sent = asyncio.Event()
        self.asking: asyncio.Task[web.Response] | None = None

    async def run(self) -> web.StreamResponse:
        body = await self._request.read()
        kind = statement_of(self._request.query.get("query", "") + body[:4096].decode(errors="replace"))
        fate = await self._traps.fate(kind, Stage.ARRIVED)
        if fate is Fate.CUT_WITHIN:
            await self._send_half(body)
        if (end := self._end(fate)) is not None:
            return end
        self.asking = asyncio.ensure_future(self._ask(body))
        sent = asyncio.ensure_future(self._sent.wait())
        await asyncio.wait({sent, self.asking}, return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        if (end := self._end(await self._traps.fate(kind, Stage.FORWARDED))) is not None:
            return end
        try:
            answer = await asyncio.shield(self.asking)
        except (aiohttp.ClientError, OSError):
            return self._cut()
        return self._end(await self._traps.fate(kind, Stage.ANSWERED)) or answer

    def _end(self, fate: Fate) -> web.StreamResponse | None:
        if fate is Fate.ERROR:
            return web.Response(status=500, text="from the proxy")
        return None if fate is Fate.PASS else self._cut()

    def _cut(self) -> web.StreamResponse:
        if self._request.transport is not None:
            self._request.transport.abort()
        return web.Response(status=500)  # nobody receives it

    async def _ask(self, body: bytes) -> web.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield body
            self._sent.set()

        async with self._session.request(
            self._request.method, self._url, data=pieces() if body else None, headers=self._headers()
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in OF_ONE_CONNECTION}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _send_half(self, body: bytes) -> None:
        async def half() -> AsyncIterator[bytes]:
            yield body[: body.find(b"\n", len(body) // 2) + 1]  # whole lines, which a server could accept
            raise ConnectionError

        try:
            async with self._session.request(self._request.method, self._url, data=half(), headers=self._headers()):
                pass
        except (aiohttp.ClientError, OSError):
            return

    def _headers(self) -> dict[str, str]:
        return {name: value for name, value in self._request.headers.items() if name.lower() not in OF_ONE_CONNECTION}


async def _ended(asking: asyncio.Task[web.Response]) -> None:
    """Let the server finish, and take its answer or its end where nobody else does."""
    try:
        await asking
    except (aiohttp.ClientError, OSError):
        return
    finally:
        asking.cancel()
