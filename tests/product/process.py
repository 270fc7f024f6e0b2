"""A siddes-telemetry process, started as an operator would start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.infrastructure.process import ServerProcess

COMMAND = (sys.executable, "-m", "siddes_telemetry")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment; no setting of the machine's leaks in
COMMAND_DEADLINE_S = 90.0
_READY = re.compile(rb"^ready: (?:(?P<url>http://\S+), )?admin (?P<admin>http://[^\s,]+)", re.MULTILINE)

Settings = Mapping[str, str]


def environment(settings: Settings) -> dict[str, str]:
    """An environment with these settings, named without their prefix, and no others."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {f"SIDDES_TELEMETRY_{name}": value for name, value in settings.items()}


def run(
    *arguments: str, settings: Settings, cwd: Path | None = None, command: Sequence[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its exit status is the caller's to judge."""
    return subprocess.run(
        [*command, *arguments],
        env=environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE_S,
        check=False,
    )


class ServiceProcess:
    """A service. `url` is its public address, `admin` that of its admin port, known when it is ready if not before."""

    url: str
    admin: str

    def __init__(
        self, arguments: Sequence[str], settings: Settings, *, log: Path, command: Sequence[str] = COMMAND
    ) -> None:
        self.log = log
        self._process = ServerProcess([*command, *arguments], log=log, env=environment(settings))

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What it wrote to standard output and standard error."""
        return self._process.said().decode()

    def wait_ready(self) -> Self:
        """Block until it says that it is ready."""
        self._process.wait_until(lambda: _READY.search(self._process.said()) is not None)
        match = _READY.search(self._process.said())
        assert match
        self.url = (match["url"] or b"").decode()
        self.admin = match["admin"].decode()
        return self

    def send(self, number: signal.Signals) -> None:
        self._process.send(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit status."""
        return self._process.end(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for the end of one that was told to end; the exit status."""
        return self._process.end(signal.SIGCONT)  # which does nothing to a running process
