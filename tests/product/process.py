"""A siddes-telemetry process, started as an operator starts it."""

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
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment; no setting of the machine leaks in
COMMAND_DEADLINE_S = 90.0
_READY = re.compile(rb"^ready: (?:(?P<url>http://\S+), )?admin (?P<admin>http://[^\s,]+)", re.MULTILINE)

Settings = Mapping[str, str]


def environment(settings: Settings) -> dict[str, str]:
    """Returns an environment with these settings, named without their prefix, and no others."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {f"SIDDES_TELEMETRY_{name}": value for name, value in settings.items()}


def run(
    *arguments: str,
    settings: Settings,
    cwd: Path | None = None,
    command: Sequence[str] = COMMAND,
    deadline_s: float = COMMAND_DEADLINE_S,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. The caller checks the exit status."""
    return subprocess.run(
        [*command, *arguments],
        env=environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )


class ServiceProcess:
    """A service. `url`: its public address; `admin`: that of its admin port. Both are known once it is ready."""

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
        """Returns its standard output and standard error."""
        return self._process.said().decode()

    def wait_ready(self) -> Self:
        """Block until it prints that it is ready."""
        self._process.wait_until(lambda: _READY.search(self._process.said()) is not None)
        match = _READY.search(self._process.said())
        assert match
        self.url = (match["url"] or b"").decode()
        self.admin = match["admin"].decode()
        return self

    def send(self, number: signal.Signals) -> None:
        self._process.send(number)

    def kill(self) -> None:
        """SIGKILL, then wait for its end."""
        self._process.end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, then wait for its end. Returns the exit status."""
        return self._process.end(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end after a signal. Returns the exit status."""
        return self._process.end(signal.SIGCONT)  # which does nothing to a running process
