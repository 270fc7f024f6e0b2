"""Stopping: requests in flight are answered, idle connections are closed, and all within the deadline."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.web.connection_limits import ClientTimeouts
from tests.fakes.web_service import Service, connected, get, post, running


async def test_what_is_in_flight_is_answered_and_the_rest_closed() -> None:
    async with running(Service()) as service, connected(service) as busy, connected(service) as idle:
        async with connected(service) as fresh, connected(service) as half:
            await idle.send(get())
            await idle.answer()
            await half.send(post(body=b"12")[:-1])
            await busy.send(post("/api/telemetry/slow") + post(body=b"123"))
            await service.entered.wait()
            await service.in_flight(2)

            stopping = asyncio.create_task(service.server.stop(deadline_s=20))
            assert await idle.rest() == b""
            assert await fresh.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", service.port)
            assert not stopping.done()

            service.release.set()
            first, second = await busy.answer(), await busy.answer()
            assert (first.status, second.body) == (200, b'{"ok":true,"bytes":3}')
            assert "connection" not in first.headers
            assert second.headers["connection"] == "close"
            assert await busy.rest() == b""

            await half.send(b"2")
            assert (await half.answer()).headers["connection"] == "close"
            await stopping
        assert service.finished == 1
        assert service.cancelled == 0


async def test_without_keep_alive_each_connection_is_closed_by_its_next_answer_and_new_ones_are_taken() -> None:
    async with running(Service()) as service, connected(service) as idle, connected(service) as used:
        await used.send(get())
        assert "connection" not in (await used.answer()).headers
        service.server.end_keep_alive()
        for client in (used, idle):
            await client.send(get())
            assert (await client.answer()).headers["connection"] == "close"
            assert await client.rest() == b""
        async with connected(service) as late:
            await late.send(get())
            assert (await late.answer()).headers["connection"] == "close"


async def test_after_the_deadline_the_rest_is_cut() -> None:
    with capture_logs() as logs:
        async with running(Service()) as service, connected(service) as client:
            await client.send(post("/api/telemetry/slow"))
            await service.entered.wait()
            await service.server.stop(deadline_s=0.05)
            assert await client.rest() == b""
            assert service.cancelled == 1
            await service.in_flight(0)
            assert service.registry.get_sample_value("siddes_http_requests_cut_off_total") == 1
    assert [(line["event"], line["connections"]) for line in logs] == [("connections_cut_off", 1)]


async def test_a_handler_whose_client_has_gone_is_waited_for() -> None:
    async with running(Service()) as service:
        async with connected(service) as client:
            await client.send(post("/api/telemetry/slow"))
            await service.entered.wait()
            client.reset()
        async with connected(service) as other:  # by its answer, the reset has arrived
            await other.send(get())
            await other.answer()
            stopping = asyncio.create_task(service.server.stop(deadline_s=20))
            assert await other.rest() == b""
        await asyncio.wait([stopping], timeout=0.05)
        assert not stopping.done()
        service.release.set()
        await stopping
        assert service.finished == 1


async def test_a_request_that_never_arrives_holds_us_no_longer_than_it_may() -> None:
    hasty = ClientTimeouts(arrival_s=0.1, closing_s=0.1)
    async with running(Service(timeouts=hasty)) as service, connected(service) as client:
        await client.send(post()[:-1])
        await service.in_flight(1)
        await service.server.stop(deadline_s=20)
        assert (await client.answer()).error == "request_timeout"


async def test_stopping_before_listening_and_twice_is_nothing() -> None:
    service = Service()
    await service.server.stop(deadline_s=1)
    async with running(service):
        await service.server.stop(deadline_s=1)
        await service.server.stop(deadline_s=1)


async def test_processes_may_share_a_port() -> None:
    one, two = Service(), Service()
    port = await one.server.listen("127.0.0.1", 0, reuse_port=True)
    assert await two.server.listen("127.0.0.1", port, reuse_port=True) == port
    with pytest.raises(OSError, match=r".+"):
        await Service().server.listen("127.0.0.1", port)
    await asyncio.gather(one.server.stop(1), two.server.stop(1))


async def test_nothing_is_said_about_clients_that_come_and_go(capfd: pytest.CaptureFixture[str]) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(Service()) as service:
        for _ in range(20):
            async with connected(service) as client:
                await client.send(post()[:50])
    assert complaints == []
    assert "error" not in capfd.readouterr().out
