"""How a service process runs: event loop, stop signals, and the exception that decides the exit status.

A service is a coroutine function that is given a StopRequest. SIGTERM, SIGINT or SIGHUP ask for the stop. Once it
begins, which is after the drain delay, the service has STOP_S to return; then the process exits with status 1.
terminal.py turns exceptions into messages and statuses.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
import uvloop

from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.cli import open_files
from siddes_telemetry.cli.data_folder import DataIncomplete, DataInUse
from siddes_telemetry.cli.garbage import look_for_garbage_seldom
from siddes_telemetry.cli.operator_error import OperatorError
from siddes_telemetry.cli.services.stop_request import StopRequest
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.logs import report_suppressed_lines

STOP_S = 25.0  # for a stop, without the drain delay: less than the 30 s after which supervisors kill
log = structlog.get_logger(__name__)

Service = Callable[[StopRequest], Awaitable[None]]


class ServiceFailed(OperatorError):
    """A defect ended the service. The log output says where."""


def run(service: Service, *, drain_delay_s: float = 0) -> None:
    """Run the service until it returns. `drain_delay_s`: from a stop signal to the begin of the stop.

    Raises what an operator can correct (SettingsError, DataInUse, DataIncomplete, BackendError, OSError) as it is, and
    ServiceFailed for anything else, whose text may quote outside data.
    """
    gc.freeze()  # imported modules and built objects are never garbage: keep them out of every scan
    look_for_garbage_seldom()  # as in __main__.py, for worker processes
    open_files.raise_limit()
    uvloop.run(_run(service, drain_delay_s))


async def _run(service: Service, drain_delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    stop = StopRequest(drain_delay_s, on_begin=lambda: loop.call_later(STOP_S, _give_up))
    for number in _stop_signals():
        loop.add_signal_handler(number, stop.signalled)
    watching = loop.create_task(open_files.watch())
    try:
        await service(stop)
    except (SettingsError, DataInUse, DataIncomplete, BackendError, OSError):
        raise
    except Exception as defect:  # noqa: BLE001  # logged by class and place: its text may quote outside data
        log.error("service_failed", error=type(defect).__name__, at=code_location(defect))
        raise ServiceFailed("the service failed; its log output says where") from None
    finally:
        watching.cancel()


def _stop_signals() -> Iterator[signal.Signals]:
    """SIGHUP is sent by a terminal that closes; nohup ignores it before the process starts, and it stays ignored."""
    yield signal.SIGTERM
    yield signal.SIGINT
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def _give_up() -> None:
    """Exit as after a crash. Everything that was answered is durable."""
    log.error("stop_took_too_long", limit_s=STOP_S)
    report_suppressed_lines()
    os._exit(1)


async def wait_for(event: asyncio.Event, *tasks: asyncio.Future[None]) -> None:
    """Return when the event is set or a task returns. Raises what a task raises before that."""
    waiting = asyncio.ensure_future(event.wait())
    waited: set[asyncio.Future[Any]] = {waiting, *tasks}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        waiting.cancel()


async def wait_for_or_timeout(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after this time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def cancel_and_wait(*tasks: asyncio.Future[None]) -> None:
    """Cancel the tasks that still run and wait for their end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
