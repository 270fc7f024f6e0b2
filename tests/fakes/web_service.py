"""A small service behind the real request pipeline and the real server, and a client that sends it raw bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from prometheus_client import CollectorRegistry

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.client_memory import MAX_CLIENT_MEMORY_BYTES, MAX_CONNECTIONS
from siddes_telemetry.web.connection_limits import ClientTimeouts
from siddes_telemetry.web.cors import CorsPolicy
from siddes_telemetry.web.credentials import Credentials, Identity, KeyRefreshPending, NoViewer
from siddes_telemetry.web.incoming_request import App
from siddes_telemetry.web.metrics import ConnectionMetrics, HttpMetrics
from siddes_telemetry.web.rate_limit import RateLimiter
from siddes_telemetry.web.request_pipeline import RequestPipeline
from siddes_telemetry.web.routing import Request, Response, Route, RouteAccess
from siddes_telemetry.web.server import HttpServer
from siddes_telemetry.web.unidentified_requests import MAX_UNIDENTIFIED_BYTES

MAX_BODY_BYTES = 64 * 1024
PARTNER = "https://partner.example"
DEFECT = "canary-in-a-defect"


class Guests:
    """Knows a bearer token `good` and a cookie `session=good`; is out for `down`, and asks for keys for `newer`.

    `undecided` is a viewer, but only once `decided` is set.
    """

    warm = True  # whether it remembers the good ones, as it mostly does

    def __init__(self) -> None:
        self.decided = asyncio.Event()

    def cached_identity(self, authorization: str | None, cookie: str | None) -> Identity | None:
        if self.warm and authorization == "Bearer good":
            return Identity("42", by_cookie=False)
        if self.warm and authorization is None and cookie == "session=good":
            return Identity("42", by_cookie=True)
        return None

    async def identify(self, credentials: Credentials) -> Identity:
        if credentials.authorization == "Bearer good":
            return Identity("42", by_cookie=False)
        if credentials.authorization == "Bearer down":
            raise ApiError(ErrorCode.unavailable)
        if credentials.authorization == "Bearer undecided":
            await self.decided.wait()
            return Identity("43", by_cookie=False)
        if credentials.authorization == "Bearer newer":
            raise KeyRefreshPending(retry_after_s=3)
        if credentials.cookie == "session=good":
            return Identity("42", by_cookie=True)
        if credentials.dev_viewer is not None and credentials.allow_dev_viewer:
            return Identity(credentials.dev_viewer, by_cookie=False)
        raise NoViewer("expired")


@dataclass
class Service:
    """What a test asks of the service, and how it sees inside."""

    origins: Iterable[str] = (PARTNER,)
    enabled: bool = True
    rate: float = 0
    loopback_only: bool = False
    timeouts: ClientTimeouts = field(default_factory=ClientTimeouts)
    max_connections: int = MAX_CONNECTIONS
    max_client_memory_bytes: int = MAX_CLIENT_MEMORY_BYTES
    max_unidentified_bytes: int = MAX_UNIDENTIFIED_BYTES
    guests: Guests = field(default_factory=Guests)
    bodies: list[bytes] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    finished: int = 0
    cancelled: int = 0
    port: int = 0
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.now_ns = 0
        self.app = self._pipeline()
        self.server = HttpServer(
            self.app,
            timeouts=self.timeouts,
            max_connections=self.max_connections,
            max_client_memory_bytes=self.max_client_memory_bytes,
            metrics=ConnectionMetrics(self.registry),
        )

    def _pipeline(self) -> App:
        def limiter() -> RateLimiter:
            return RateLimiter(self.rate, clock_ns=lambda: self.now_ns)

        def post(path: str, name: str) -> Route:
            handler = {"ingest": self.ingest, "defect": self.defect, "slow": self.slow}[name]
            return Route("POST", path, name, handler, RouteAccess.WRITE, MAX_BODY_BYTES, ErrorCode.invalid_event)

        return RequestPipeline(
            [
                post("/api/telemetry/ingest", "ingest"),
                post("/api/telemetry", "ingest"),
                post("/api/telemetry/defect", "defect"),
                post("/api/telemetry/slow", "slow"),
                Route("GET", "/api/telemetry", "summary", self.whoami, RouteAccess.READ),
                Route("GET", "/api/auth/me", "auth_me", self.whoami, RouteAccess.READ),
                Route("GET", "/openapi.json", "openapi", self.whoami, RouteAccess.PUBLIC),
                Route("GET", "/slow", "slow", self.slow, RouteAccess.PUBLIC),
                Route("GET", "/large", "large", self.large, RouteAccess.PUBLIC),
                Route("GET", "/odd", "odd", self.odd, RouteAccess.PUBLIC),
            ],
            authenticator=self.guests,
            limits={RouteAccess.READ: limiter(), RouteAccess.WRITE: limiter()},
            enabled=self.enabled,
            cors=CorsPolicy(self.origins),
            metrics=HttpMetrics(self.registry),
            clock=time.monotonic,
            random=Random(7),
            loopback_only=self.loopback_only,
            log_requests=True,
            max_unidentified_bytes=self.max_unidentified_bytes,
        )

    async def ingest(self, request: Request) -> Response:
        self.bodies.append(request.body)
        if request.body == b"unacceptable":
            raise ApiError(ErrorCode.invalid_event)
        return Response(b'{"ok":true,"bytes":%d}' % len(request.body))

    async def whoami(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(json.dumps({"ok": True, "viewer_id": request.viewer_id}).encode())

    async def defect(self, request: Request) -> Response:
        raise ValueError(f"{DEFECT} {request.body!r}")

    async def large(self, _: Request) -> Response:
        return Response(bytes(1_000_000))

    async def odd(self, _: Request) -> Response:
        return Response(b"", headers=(("X-Odd", "\N{SNOWMAN}"),))

    async def slow(self, _: Request) -> Response:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1
        return Response(b'{"ok":true}')

    async def holding(self, size: int) -> None:
        """Return once so many bytes, or more, are kept for slow clients."""
        while self.server.client_memory_bytes < size:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)

    async def in_flight(self, requests: int) -> None:
        """Return once so many are being answered."""
        name = "siddes_http_requests_in_flight"
        while self.registry.get_sample_value(name) != requests:  # noqa: ASYNC110 - a gauge has no event
            await asyncio.sleep(0)

    async def left_alone(self) -> None:
        """Return once there is no connection."""
        while self.server.connections:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)

    def counted(self, status: int) -> float:
        """Requests answered with this status, over all routes and methods."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "siddes_http_requests_total" and sample.labels["status"] == str(status)
        )


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    service.port = await service.server.listen("127.0.0.1", 0)
    try:
        yield service
    finally:
        await service.server.stop(deadline_s=0.1)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    raw: bytes

    @property
    def error(self) -> str:
        """The error's code, once the whole answer has been found to be what an error must look like."""
        code = str(json.loads(self.body)["error"])
        assert self.body == ErrorCode[code].body
        assert self.status == ErrorCode[code].status
        assert self.headers["content-type"] == "application/json"
        return code


class RawClient:
    """One connection; sends bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> RawClient:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_for_ever(self, data: bytes) -> None:
        """Until the server has had enough: raises ConnectionError."""
        while True:
            await self.send(data)

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport reads too

    def read_on(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined] # as above

    def finish_sending(self) -> None:
        self._writer.write_eof()

    async def answer(self, *, to_head: bool = False) -> Answered:
        """The next answer. Raises IncompleteReadError where the connection ends first."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = 0 if to_head else int(headers.get("content-length", 0))
        body = await self._reader.readexactly(length)
        return Answered(int(first.split(" ")[1]), headers, body, head + body)

    async def rest(self) -> bytes:
        """All that still comes until the server closes."""
        return await self._reader.read()

    async def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Go away at once, with a TCP reset."""
        socket_ = self._writer.transport.get_extra_info("socket")
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[RawClient]:
    client = await RawClient.to(service.port)
    try:
        yield client
    finally:
        await client.close()


def post(path: str = "/api/telemetry/ingest", body: bytes = b"{}", **headers: str) -> bytes:
    """A good POST; a keyword replaces or adds a header (`_` for `-`), an empty one leaves it out."""
    sent = {"Host": "app.example", "Authorization": "Bearer good", "Content-Length": str(len(body))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def get(path: str = "/api/telemetry", method: str = "GET", **headers: str) -> bytes:
    sent = {"Host": "app.example", "Authorization": "Bearer good"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
