"""The gateway service in several processes that share the public port. The parent supervises them and serves the admin
port."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection

import structlog
from prometheus_client import CollectorRegistry

from siddes_telemetry.cli.kafka_security import kafka_security
from siddes_telemetry.cli.services import runtime
from siddes_telemetry.cli.services.announcement import PrintStatus
from siddes_telemetry.cli.services.gateway import open_gateway
from siddes_telemetry.cli.services.lifecycle import (
    BackgroundTask,
    ServiceParts,
    begin_drain_delay,
    finish_requests,
    make_service,
    open_public_port,
)
from siddes_telemetry.cli.services.listeners import Address, Listen
from siddes_telemetry.cli.services.process_metrics import process_metrics
from siddes_telemetry.cli.services.runtime import Service, cancel_and_wait, wait_for, wait_for_or_timeout
from siddes_telemetry.cli.services.stop_request import StopRequest
from siddes_telemetry.cli.services.worker_metrics import add_worker_metrics, worker_metrics_files
from siddes_telemetry.cli.services.worker_supervisor import WorkerSupervisor, obey_parent, reserved_port
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web import logs
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.readiness import OK, Readiness

REPORT_EVERY_S = 0.5  # between two looks of a worker at its readiness

log = structlog.get_logger(__name__)


def gateway_workers_service(
    settings: Settings,
    registry: Registry,
    listen: Listen,
    number: int,
    print_status: PrintStatus,
    *,
    drain_delay_s: float = 0,
) -> Service:
    """The gateway in `number` worker processes. `drain_delay_s` is the one that `runtime.run` is given.

    Raises SettingsError.
    """
    if listen.public is None:
        raise ValueError("a gateway has a public port")
    kafka_security(settings)  # raises here what would end one worker after the other
    run_worker = partial(_worker_main, settings, registry, drain_delay_s)
    open_parts = partial(_open_workers, run_worker, listen.public, number)
    return make_service(open_parts, listen, print_status, partial(process_metrics, registry))


@asynccontextmanager
async def _open_workers(
    run_worker: Callable[[Address, Connection], None], public: Address, number: int, metrics: CollectorRegistry
) -> AsyncIterator[ServiceParts]:
    with reserved_port(public.host, public.port) as port, worker_metrics_files() as files:
        add_worker_metrics(metrics)
        workers = WorkerSupervisor(partial(run_worker, Address(public.host, port)), number, files, metrics)
        stopping = asyncio.Event()

        async def check() -> str:
            return workers.trouble() or OK

        yield ServiceParts(
            checks={"workers": check},
            shared_port=port,
            begin_drain_delay=workers.drain,
            background=[BackgroundTask(partial(workers.run, stopping), stopping.set)],
            ready_note=lambda _url: f", {number} workers",
        )


def _worker_main(
    settings: Settings, registry: Registry, drain_delay_s: float, public: Address, connection: Connection
) -> None:
    """Run one worker process; it reports its readiness through the connection."""

    async def serve(stop: StopRequest) -> None:
        obey_parent(connection, stop)
        metrics = CollectorRegistry()
        logs.count_suppressed_lines(metrics)
        async with open_gateway(settings, registry, metrics) as parts:
            await open_public_port(parts, public, reuse_port=True)
            reporting = asyncio.ensure_future(
                _report_readiness(Readiness(parts.checks, clock=time.monotonic), connection, stop.begun)
            )
            try:
                await wait_for(stop.asked, reporting)
                begin_drain_delay(parts)
                await reporting
            finally:
                await cancel_and_wait(reporting)
                await finish_requests(parts)

    logs.configure(settings.log_level)
    try:
        runtime.run(serve, drain_delay_s=drain_delay_s)
    except Exception as failure:  # noqa: BLE001  # multiprocessing would print it, with its text
        log.error("worker_failed", error=type(failure).__name__, at=code_location(failure))
        sys.exit(1)


async def _report_readiness(readiness: Readiness, connection: Connection, stop: asyncio.Event) -> None:
    """Send the reason why the worker is not ready, or an empty text, when it changes, until `stop`."""
    sent = None
    while not stop.is_set():
        report = await readiness.report()
        if (reason := "" if report.ok else report.checks["log"]) != sent:
            connection.send_bytes(reason.encode())
            sent = reason
        await wait_for_or_timeout(stop, REPORT_EVERY_S)
