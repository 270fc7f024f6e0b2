"""Several gateway processes behind one port: each listens with SO_REUSEPORT, and this one watches over them.

The workers count into memory-mapped files that prometheus-client adds up, so that one page shows all of them. A worker
that dies is started again; all end with this process. The files lie among temporary ones, where others clean up: they
are kept young, and a worker whose files are gone all the same is replaced, since it counts where nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from siddes_telemetry.cli.inherited import METRICS_FOLDER_VARIABLE

RESTART_S = 1.0  # between the death of a worker and its successor: a worker that cannot start does not spin
LOOK_EVERY_S = 5.0  # at the workers' files
log = structlog.get_logger(__name__)

WorkerMain = Callable[[Connection], None]


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port that several processes will listen on; 0 takes a free one. Raises OSError if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def metrics_folder() -> Iterator[Path]:
    """Where the workers count. Set in the environment before the first one starts. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="siddes-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_FOLDER_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[METRICS_FOLDER_VARIABLE]


class Workers:
    """N processes that run `main(connection)`, where they say whether they are ready: an empty text, or why not.

    A worker reads an end of file from the connection when this process is gone.
    """

    def __init__(self, main: WorkerMain, number: int, folder: Path, registry: CollectorRegistry) -> None:
        """`folder`: of metrics_folder()."""
        self._main = main
        self._number = number
        self._folder = folder
        self._files: dict[int, list[Path]] = {}  # by process
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, BaseProcess] = {}
        self._troubles: dict[int, str] = dict.fromkeys(range(number), "starting")
        self._stopping = False
        self._restarts = Counter(
            "siddes_gateway_worker_restarts", "Workers that died and were started again.", registry=registry
        )
        self.all_ready = asyncio.Event()

    def trouble(self) -> str | None:
        """Why not every worker is ready, in a word, or None."""
        return next((word for word in self._troubles.values() if word), None)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep them alive until `stop`, then have them drain and wait for that."""
        keepers = [asyncio.ensure_future(self._keep(index)) for index in range(self._number)]
        looking = asyncio.ensure_future(self._look_at_files())
        await stop.wait()
        self._stopping = True
        looking.cancel()
        for process in self._processes.values():
            if process.is_alive():
                process.terminate()
        await asyncio.gather(*keepers)

    async def _keep(self, index: int) -> None:
        while not self._stopping:
            ours, theirs = self._context.Pipe()
            self._make_folder()
            process = self._context.Process(target=self._main, args=(theirs,), name=f"gateway-{index}")
            process.start()
            theirs.close()
            self._processes[index] = process
            async for word in _words(ours):
                self._troubles[index] = word
                if self.trouble() is None:
                    self.all_ready.set()
            ours.close()
            await asyncio.to_thread(process.join)
            self._troubles[index] = "starting"
            if process.pid is not None:
                self._files.pop(process.pid, None)
                mark_process_dead(process.pid)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
            if not self._stopping:
                log.error("worker_died", worker=index, exit_code=process.exitcode)
                self._restarts.inc()
                await asyncio.sleep(RESTART_S)

    async def _look_at_files(self) -> None:
        """Replace one worker at a time, and only while all others are ready."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.trouble() is not None:
                continue
            lost = next((index for index, process in self._processes.items() if not self._touched(process.pid)), None)
            if lost is not None:
                log.error("worker_metrics_gone", worker=lost)
                self._troubles[lost] = "restarting"
                self._processes[lost].terminate()

    def _touched(self, pid: int | None) -> bool:
        """Whether all files that this worker began with are still there. They are young then: cleaners go by age."""
        if pid is None:
            return True
        if pid not in self._files:
            self._files[pid] = list(self._folder.glob(f"*_{pid}.db"))
        try:
            for path in (self._folder, *self._files[pid]):
                os.utime(path)
        except OSError:
            return False
        return bool(self._files[pid])

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:  # the worker will not start, and say so again and again until it can
            log.error("worker_metrics_folder_missing", error=type(error).__name__)


async def _words(connection: Connection) -> AsyncIterator[str]:
    """What the worker says, until it is gone."""
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


def stop_with_parent(connection: Connection, stop: asyncio.Event) -> None:
    """In a worker: stop when the parent is gone."""
    asyncio.get_running_loop().add_reader(connection.fileno(), stop.set)


def add_worker_metrics(registry: CollectorRegistry) -> None:
    """Let a page of this registry also show what all workers have counted."""
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
