"""Worker processes that share a public port through SO_REUSEPORT, and their supervision by the parent.

A worker that dies is started again after RESTART_S. Workers stop when the parent is gone: their end of the connection
then reads end of file.

A worker whose metrics files are gone (see worker_metrics.py) is replaced: its counts would be lost.

    state (per worker)   event                          next         does
    starting             worker sends ""                ready        -
    starting, ready      worker sends a reason          not ready    the reason shows in the parent's /readyz
    not ready            worker sends ""                ready        -
    ready                its files are gone             restarting   stops it; one worker at a time
    any                  worker ends                    starting     counts the restart, starts another after RESTART_S
    any                  a stop is asked for            -            sends DRAIN: it serves on for the drain delay
    any                  the service stops              -            stops it; waits for the end of every worker

The parent is ready while a worker is: the kernel gives no connection to one that does not listen. One that listens and
is not ready would answer 503, so then the parent is not ready either.

A worker is stopped by the message STOP, and by SIGTERM in case it does not read yet. It has the drain delay of the
parent, because systemd, for one, sends SIGTERM to all processes of a service at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from siddes_telemetry.cli.services.stop_request import StopRequest
from siddes_telemetry.cli.services.worker_metrics import WorkerMetricsFiles
from siddes_telemetry.cli.services.worker_process_metrics import WorkerProcessMetrics

RESTART_S = 1.0  # between the death of a worker and the next start: a worker that cannot start must not spin
CHECK_FILES_EVERY_S = 5.0
STARTING, RESTARTING = _NOT_LISTENING = ("starting", "restarting")  # of a worker that gets no connections
DRAIN, STOP = b"drain", b"stop"  # what the parent sends to a worker

log = structlog.get_logger(__name__)

WorkerMain = Callable[[Connection], None]


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Bind the port that the workers will listen on; 0 takes a free one. Raises OSError if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        yield holder.getsockname()[1]


class WorkerSupervisor:
    """Keeps N processes running `main(connection)`.

    A worker sends its readiness through the connection: an empty text, or the reason why it is not ready.
    """

    def __init__(self, main: WorkerMain, number: int, files: WorkerMetricsFiles, registry: CollectorRegistry) -> None:
        self._main = main
        self._number = number
        self._files = files
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, BaseProcess] = {}
        self._connections: dict[int, Connection] = {}
        self._troubles: dict[int, str] = dict.fromkeys(range(number), STARTING)
        self._stopping = False
        self._restarts = Counter(
            "siddes_gateway_worker_restarts", "Workers that died and were started again.", registry=registry
        )
        Gauge("siddes_gateway_workers", "Worker processes, as started with --workers.", registry=registry).set(number)
        Gauge("siddes_gateway_workers_ready", "Worker processes that serve.", registry=registry).set_function(
            lambda: sum(not reason for reason in self._troubles.values())
        )
        registry.register(WorkerProcessMetrics(self._pids))

    def trouble(self) -> str | None:
        """The reason why requests may not be answered, or None."""
        reasons = self._troubles.values()
        refusing = next((reason for reason in reasons if reason not in ("", *_NOT_LISTENING)), None)
        return refusing if refusing is not None or "" in reasons else next(iter(reasons))

    def _pids(self) -> dict[int, int]:
        return {index: process.pid for index, process in self._processes.items() if process.pid is not None}

    def drain(self) -> None:
        """Tell the workers that a stop was asked for."""
        for index in self._connections:
            self._send(index, DRAIN)

    async def run(self, stop: asyncio.Event) -> None:
        """Supervise the workers until `stop`, then let them drain and wait for their end."""
        supervising = [asyncio.ensure_future(self._supervise(index)) for index in range(self._number)]
        checking = asyncio.ensure_future(self._check_files())
        await stop.wait()
        self._stopping = True
        checking.cancel()
        for index in self._processes:
            self._stop(index)
        await asyncio.gather(*supervising)

    def _stop(self, index: int) -> None:
        self._send(index, STOP)
        if self._processes[index].is_alive():
            self._processes[index].terminate()

    def _send(self, index: int, message: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended: its connection is closed
            self._connections[index].send_bytes(message)

    async def _supervise(self, index: int) -> None:
        while not self._stopping:
            ours, theirs = self._context.Pipe()
            self._files.make_folder()
            process = self._context.Process(target=self._main, args=(theirs,), name=f"gateway-{index}")
            process.start()
            theirs.close()
            self._processes[index], self._connections[index] = process, ours
            async for reason in _received(ours):
                self._troubles[index] = reason
            ours.close()
            await asyncio.to_thread(process.join)
            self._troubles[index] = STARTING
            if process.pid is not None:
                self._files.worker_ended(process.pid)
            if not self._stopping:
                log.error("worker_died", worker=index, exit_code=process.exitcode)
                self._restarts.inc()
                await asyncio.sleep(RESTART_S)

    async def _check_files(self) -> None:
        """Replace workers whose files are gone: one at a time, and only while all others are ready."""
        while True:
            await asyncio.sleep(CHECK_FILES_EVERY_S)
            if any(self._troubles.values()):
                continue
            lost = next((index for index, pid in self._pids().items() if not self._files.touch(pid)), None)
            if lost is not None:
                log.error("worker_metrics_gone", worker=lost)
                self._troubles[lost] = RESTARTING
                self._stop(lost)


async def _received(connection: Connection) -> AsyncIterator[str]:
    """The texts that a worker sends, until it ends."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection.fileno(), readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            while connection.poll():
                try:
                    yield connection.recv_bytes().decode()
                except (EOFError, ConnectionResetError):
                    return
    finally:
        loop.remove_reader(connection.fileno())


def obey_parent(connection: Connection, stop: StopRequest) -> None:
    """In a worker: take the parent's messages. Its end is taken as STOP."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            message = connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            loop.remove_reader(connection.fileno())
            message = STOP
        stop.ask() if message == DRAIN else stop.begin()

    loop.add_reader(connection.fileno(), read)
