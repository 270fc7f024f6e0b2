"""The admin port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from siddes_telemetry.web.admin import AdminApp
from siddes_telemetry.web.readiness import Readiness
from siddes_telemetry.web.readiness_metrics import ReadinessMetrics
from siddes_telemetry.web.server import HttpServer
from tests.fakes.web_service import Answered, RawClient, get


class Admin:
    def __init__(self, *, loopback_only: bool = False) -> None:
        self.registry = CollectorRegistry()
        self.log = "ok"
        self.now_s = 0.0
        self.broken = False
        self.readiness = Readiness({"log": self.check}, clock=lambda: self.now_s)
        self.registry.register(ReadinessMetrics(self.readiness))
        self.server = HttpServer(
            AdminApp(self.readiness, exposition=self.exposition, random=Random(1), loopback_only=loopback_only)
        )
        self.port = 0

    async def check(self) -> str:
        return self.log

    def exposition(self) -> bytes:
        if self.broken:
            raise ValueError("canary")
        return generate_latest(self.registry)

    async def ask(self, sent: bytes) -> Answered:
        client = await RawClient.to(self.port)
        try:
            await client.send(sent)
            return await client.answer(to_head=sent.startswith(b"HEAD "))
        finally:
            await client.close()


@asynccontextmanager
async def listening(*, loopback_only: bool = False) -> AsyncIterator[Admin]:
    admin = Admin(loopback_only=loopback_only)
    admin.port = await admin.server.listen("127.0.0.1", 0)
    try:
        yield admin
    finally:
        await admin.server.stop(deadline_s=0.1)


async def test_healthy_means_alive_and_ready_means_able() -> None:
    async with listening() as admin:
        assert (await admin.ask(get("/healthz"))).body == b'{"ok":true}'
        ready = await admin.ask(get("/readyz"))
        assert (ready.status, ready.body) == (200, b'{"ok":true,"checks":{"log":"ok"}}')
        admin.log = "topic_missing"
        admin.now_s += 1.0
        unready = await admin.ask(get("/readyz?verbose"))
        assert (unready.status, unready.body) == (503, b'{"ok":false,"checks":{"log":"topic_missing"}}')
        assert unready.headers["cache-control"] == "no-store"
        admin.readiness.drain()
        assert (await admin.ask(get("/readyz"))).status == 503
        assert (await admin.ask(get("/healthz"))).status == 200


async def test_metrics_are_in_the_format_they_say() -> None:
    async with listening() as admin:
        Counter("siddes_things", "Things.", registry=admin.registry).inc(3)
        answer = await admin.ask(get("/metrics"))
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"\nsiddes_things_total 3.0\n" in answer.body


async def test_a_reading_of_the_metrics_asks_anew_what_is_not_ready() -> None:
    async with listening() as admin:
        assert b"\nsiddes_not_ready{" not in (await admin.ask(get("/metrics"))).body
        admin.log = "access: error 497, GRANT SELECT ON canary TO the user"
        admin.now_s += 1.0
        refused = (await admin.ask(get("/metrics"))).body
        assert b'\nsiddes_not_ready{check="log",reason="access"} 1.0\n' in refused
        assert b"canary" not in refused
        admin.readiness.drain()
        assert b'\nsiddes_not_ready{check="serving",reason="draining"} 1.0\n' in (await admin.ask(get("/metrics"))).body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (get("/"), "not_found"),
        (get("/api/telemetry"), "not_found"),
        (get("/canary"), "not_found"),
        (get("/metrics", method="POST"), "method_not_allowed"),
        (b"canary\r\n\r\n", "bad_request"),
    ],
)
async def test_errors_are_those_of_the_public_port(sent: bytes, code: str) -> None:
    async with listening() as admin:
        answer = await admin.ask(sent)
        assert answer.error == code
        assert b"canary" not in answer.raw
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_head_is_answered_as_get_is_without_the_body(path: str) -> None:
    async with listening() as admin:
        whole, head = await admin.ask(get(path)), await admin.ask(get(path, method="HEAD"))
        assert head.status == whole.status
        for name in ("content-length", "content-type", "cache-control"):
            assert head.headers[name] == whole.headers[name]
        refused = await admin.ask(get("/healthz", method="PUT"))
        assert (refused.error, refused.headers["allow"]) == ("method_not_allowed", "GET, HEAD")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_on_loopback_a_page_that_rebinds_its_name_is_refused(path: str) -> None:
    async with listening(loopback_only=True) as admin:
        answer = await admin.ask(get(path, Host="canary.example:9090"))
        assert answer.error == "forbidden_origin"
        assert b"canary" not in answer.raw
        for host in ("localhost:9090", "127.0.0.1", "[::1]:9090"):
            assert (await admin.ask(get("/healthz", Host=host))).status == 200
        assert (await admin.ask(b"GET /healthz HTTP/1.0\r\n\r\n")).status == 200
    async with listening() as admin:
        assert (await admin.ask(get("/healthz", Host="canary.example:9090"))).status == 200


async def test_metrics_that_cannot_be_made_are_our_own_error(capfd: pytest.CaptureFixture[str]) -> None:
    async with listening() as admin:
        admin.broken = True
        answer = await admin.ask(get("/metrics"))
        assert answer.error == "internal"
        out = capfd.readouterr().out
        assert "ValueError" in out
        assert "canary" not in out
