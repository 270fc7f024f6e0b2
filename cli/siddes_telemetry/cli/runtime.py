"""How every service runs: an event loop, an orderly stop when a signal asks for it, and an honest exit status."""

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
from siddes_telemetry.cli.data_folder import DataInUse
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.web.logs import code_location, report_suppressed_lines

GC_ALLOCATIONS = 20_000  # a request's objects go when it ends; 700, the default, looks for cycles every few requests
STOP_S = 25.0  # the whole of a stop; below the 30 s after which supervisors kill
_CRASHES = ("ABRT", "BUS", "FPE", "ILL", "SEGV", "SYS", "TRAP")
log = structlog.get_logger(__name__)

Service = Callable[[asyncio.Event], Awaitable[None]]


class ServiceFailed(Exception):
    """A defect ended the service; the log says where."""


def run(service: Service) -> None:
    """Run it until it returns. The event it is given is set when it is asked to stop; then it has 25 s.

    Raises what the service raises for an operator to mend, and ServiceFailed for a defect: its text is not for eyes.
    """
    gc.freeze()  # what is imported and built by now stays: it is never looked through again
    gc.set_threshold(GC_ALLOCATIONS)
    open_files.raise_limit()
    uvloop.run(_run(service))


async def _run(service: Service) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            return  # it is stopping; the time limit holds
        log.info("stopping")
        stop.set()
        loop.call_later(STOP_S, _give_up)

    for number in _stop_signals():
        loop.add_signal_handler(number, asked)
    watching = loop.create_task(open_files.watch())
    try:
        await service(stop)
    except (SettingsError, DataInUse, BackendError, OSError):
        raise
    except Exception as defect:  # noqa: BLE001  # named by class and place: its text may quote what came from outside
        log.error("service_failed", error=type(defect).__name__, at=code_location(defect))
        raise ServiceFailed("the service failed; its log says where") from None
    finally:
        watching.cancel()


def _stop_signals() -> Iterator[signal.Signals]:
    """SIGHUP too, as a terminal sends it when it closes, unless it was ignored from the start: that is nohup's way."""
    yield signal.SIGTERM
    yield signal.SIGINT
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def let_crashes_end_it() -> None:
    """Give crashes and Ctrl-Z their usual effect again, in the main thread, once chDB is open.

    chDB catches them and then waits for a thread that only its server has: the process would stay, and do nothing.
    """
    for name in (*_CRASHES, "TSTP"):
        signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_DFL)


def _give_up() -> None:
    """What is not done by now is as after a crash: nothing that was answered is lost by it."""
    log.error("stop_took_too_long", limit_s=STOP_S)
    report_suppressed_lines()
    os._exit(1)


async def first_of(stop: asyncio.Event, *work: asyncio.Future[None]) -> None:
    """Return when a stop is asked for; raise what ends work before that."""
    stopping = asyncio.ensure_future(stop.wait())
    waited: set[asyncio.Future[Any]] = {stopping, *work}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for each in work:
            if each.done():
                each.result()
    finally:
        stopping.cancel()


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or less if a stop is asked for."""
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False


async def cancelled(*work: asyncio.Future[None]) -> None:
    """Cancel what still runs, and wait for it to end."""
    for each in work:
        each.cancel()
    await asyncio.wait(work)
