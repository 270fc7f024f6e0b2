"""Starts a peer that is a module of this folder, on the measured core."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cores import MEASURED, on
from tests.infrastructure.process import ServerProcess


@contextmanager
def peer(module: str, *arguments: str, folder: Path) -> Iterator[str]:
    """Its URL; it says its port when it listens."""
    command = on(MEASURED, sys.executable, "-m", f"benchmarks.peers.{module}", *arguments)
    process = ServerProcess(command, log=folder / f"{module}.log")
    try:
        process.wait_until(lambda: process.said().endswith(b"\n"))
        yield f"http://127.0.0.1:{int(process.said())}"
    finally:
        process.end(signal.SIGKILL)
