"""The order in which a service starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.cli.services.lifecycle import BackgroundTask, ServiceParts, make_service
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.stop_request import StopRequest
from siddes_telemetry.web.readiness import OK
from siddes_telemetry.web.server import HttpServer

ANY_PORT = Address("127.0.0.1", 0)


class Recorder:
    """A service whose every step is noted in order."""

    def __init__(self, work: Callable[[], None] = lambda: None) -> None:
        self.steps: list[str] = []
        self.ready = asyncio.Event()
        self.admin_url = ""
        self._work = work
        self._stopping = asyncio.Event()

    async def run(self, stop: StopRequest) -> None:
        await make_service(self._open, Listen(ANY_PORT, ANY_PORT), self._print, CollectorRegistry)(stop)

    def _print(self, text: str) -> None:
        self.admin_url = text.rpartition(" ")[2]
        self.steps.append("announced" if text.startswith("ready: http://127.0.0.1:8080, admin http://") else text)
        self.ready.set()

    async def listen(self, _host: str, _port: int, *, reuse_port: bool) -> int:
        assert not reuse_port
        self.steps.append("listens")
        return 8080

    def end_keep_alive(self) -> None:
        self.steps.append("ends keep-alive")

    async def stop(self, _patience_s: float) -> None:
        self.steps.append("answers what has begun")

    async def _drain(self) -> None:
        self.steps.append("drains")

    async def _consume(self) -> None:
        self._work()
        await self._stopping.wait()
        self.steps.append("background work has returned")

    async def _trim(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.steps.append("background work is cancelled")
            raise

    async def _check(self) -> str:
        return OK

    @asynccontextmanager
    async def _open(self, _metrics: CollectorRegistry) -> AsyncIterator[ServiceParts]:
        self.steps.append("opened")
        try:
            yield ServiceParts(
                checks={"log": self._check},
                server=cast("HttpServer", self),
                drain=self._drain,
                background=[BackgroundTask(self._consume, self._stopping.set), BackgroundTask(self._trim)],
            )
        finally:
            self.steps.append("closed")


STOP_STEPS = [
    "ends keep-alive",
    "answers what has begun",
    "drains",
    "background work has returned",
    "background work is cancelled",
    "closed",
]


def stop_request(delay_s: float = 0) -> StopRequest:
    return StopRequest(delay_s, on_begin=lambda: None)


async def test_a_stop_answers_then_drains_then_ends_background_work_then_closes() -> None:
    service, stop = Recorder(), stop_request()
    running = asyncio.ensure_future(service.run(stop))
    await service.ready.wait()
    assert service.steps == ["opened", "listens", "announced"]
    stop.signalled()
    await running
    assert service.steps[3:] == STOP_STEPS


async def test_in_the_drain_delay_a_service_is_not_ready_and_serves_on() -> None:
    service, stop = Recorder(), stop_request(delay_s=3600)
    running = asyncio.ensure_future(service.run(stop))
    await service.ready.wait()
    stop.signalled()
    async with aiohttp.ClientSession() as session, session.get(f"{service.admin_url}/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ok": False, "checks": {"serving": "draining"}}
    assert service.steps[3:] == ["ends keep-alive"]
    stop.begin()
    await running
    assert service.steps[3:] == STOP_STEPS


async def test_background_work_that_fails_ends_the_service_at_once() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    service = Recorder(fail)
    with pytest.raises(ZeroDivisionError):
        await service.run(stop_request())
    assert "drains" not in service.steps
    assert service.steps[-1] == "closed"
