"""The start and the stop of every service, in one order.

A service's own module opens its backends and its HTTP server and yields them as ServiceParts; `make_service` does the
rest. Embedded mode has the parts of all three services in one process.

Start
    1. The parts: clients of the log and the store, routes, consumer. Nothing listens yet.
    2. The admin port: /healthz, /readyz, /metrics.
    3. The public port.
    4. A task that prints what readiness waits for, then the addresses.
    5. Background tasks: the consumer, the trimming of the SQLite log, the supervision of workers.

Stop, after SIGTERM, SIGINT or SIGHUP
    1. /readyz answers 503 `draining`, so that load balancers send nothing more.
    2. For the drain delay everything goes on, background tasks too. Each answer closes its connection, so that its
       client comes back through the load balancer. A second signal ends the delay.
    3. The public port closes. Requests that have begun are answered, within ANSWER_IN_FLIGHT_S. From here on runtime.py
       allows STOP_S.
    4. `drain`: appends that no request waits for any more.
    5. Background tasks return: the consumer leaves its group, workers drain. A task without `stop` is cancelled.
    6. The admin port closes, then the parts, in the reverse order of their opening.

A background task that fails ends the service: steps 1 to 4 are left out, and the exception goes to runtime.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from siddes_telemetry.cli.services.announcement import PrintStatus, announce_when_ready
from siddes_telemetry.cli.services.listeners import ANSWER_IN_FLIGHT_S, Address, Listen, open_admin_port
from siddes_telemetry.cli.services.runtime import Service, cancel_and_wait, wait_for
from siddes_telemetry.cli.services.stop_request import StopRequest
from siddes_telemetry.web.readiness import Check, HaltedPartition
from siddes_telemetry.web.server import HttpServer


@dataclass(frozen=True, slots=True)
class BackgroundTask:
    """Work that lasts as long as the service. `stop` makes `run` return; without it the task is cancelled."""

    run: Callable[[], Coroutine[Any, Any, None]]
    stop: Callable[[], None] | None = None


async def _nothing_to_drain() -> None:
    pass


def _serve_on() -> None:
    pass


def _no_note(_public_url: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What one service adds to the common start and stop."""

    checks: Mapping[str, Check]  # readiness checks by name
    halted_partitions: Callable[[], Sequence[HaltedPartition]] = tuple  # shown by /readyz
    server: HttpServer | None = None  # the public server, not listening yet
    shared_port: int | None = None  # the public port where worker processes have the servers
    begin_drain_delay: Callable[[], None] = _serve_on  # in those processes; `server` is told by itself
    drain: Callable[[], Coroutine[Any, Any, object]] = _nothing_to_drain  # finish what answered requests left behind
    background: Sequence[BackgroundTask] = ()
    ready_note: Callable[[str], str] = _no_note  # from the public URL to the end of the ready line


OpenParts = Callable[[CollectorRegistry], AbstractAsyncContextManager[ServiceParts]]


def make_service(
    open_parts: OpenParts,
    listen: Listen,
    print_status: PrintStatus,
    make_metrics: Callable[[], CollectorRegistry],
) -> Service:
    """A service for `runtime.run`, with a metrics registry of its own from `make_metrics`."""

    async def serve(stop: StopRequest) -> None:
        metrics = make_metrics()
        async with AsyncExitStack() as stack:
            parts = await stack.enter_async_context(open_parts(metrics))
            admin_port, readiness = await stack.enter_async_context(
                open_admin_port(listen.admin, parts.checks, metrics, halted_partitions=parts.halted_partitions)
            )
            public = await open_public_port(parts, listen.public)
            ready = _ready_line(parts, public, Address(listen.admin.host, admin_port))
            await stack.enter_async_context(announce_when_ready(readiness, print_status, ready))
            tasks = [asyncio.ensure_future(each.run()) for each in parts.background]
            try:
                await wait_for(stop.asked, *tasks)
                readiness.drain()
                begin_drain_delay(parts)
                await wait_for(stop.begun, *tasks)
                await finish_requests(parts)
                for task, each in zip(tasks, parts.background, strict=True):
                    if each.stop is not None:
                        each.stop()
                        await task
            finally:
                await cancel_and_wait(*tasks)

    return serve


async def open_public_port(parts: ServiceParts, address: Address | None, *, reuse_port: bool = False) -> Address | None:
    """Listen for requests. Returns the address with the port that was bound, or None for a service without one."""
    if address is None:
        return None
    if parts.server is not None:
        return Address(address.host, await parts.server.listen(address.host, address.port, reuse_port=reuse_port))
    return address if parts.shared_port is None else Address(address.host, parts.shared_port)


def begin_drain_delay(parts: ServiceParts) -> None:
    """Serve on, but close each connection after its next answer."""
    if parts.server is not None:
        parts.server.end_keep_alive()
    parts.begin_drain_delay()


async def finish_requests(parts: ServiceParts) -> None:
    """Close the public port, answer the requests that have begun, and drain what they leave behind. Idempotent."""
    if parts.server is not None:
        await parts.server.stop(ANSWER_IN_FLIGHT_S)
    await parts.drain()


def _ready_line(parts: ServiceParts, public: Address | None, admin: Address) -> str:
    if public is None:
        return f"ready: admin {admin.url}"
    return f"ready: {public.url}, admin {admin.url}{parts.ready_note(public.url)}"
