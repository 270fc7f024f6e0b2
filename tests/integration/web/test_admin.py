"""The admin port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from siddes_telemetry.web.admin import AdminDoor
from siddes_telemetry.web.readiness import Readiness
from siddes_telemetry.web.server import HttpServer
from tests.fakes.web_service import Answered, RawClient, get


class Admin:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.log = "ok"
        self.now_s = 0.0
        self.broken = False
        self.readiness = Readiness({"log": self.check}, clock=lambda: self.now_s)
        self.server = HttpServer(AdminDoor(self.readiness, exposition=self.exposition, random=Random(1)))
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
            return await client.answer()
        finally:
            await client.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Admin]:
    admin = Admin()
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


async def test_metrics_that_cannot_be_made_are_our_own_error(capfd: pytest.CaptureFixture[str]) -> None:
    async with listening() as admin:
        admin.broken = True
        answer = await admin.ask(get("/metrics"))
        assert answer.error == "internal"
        out = capfd.readouterr().out
        assert "ValueError" in out
        assert "canary" not in out
