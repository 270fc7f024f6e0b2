"""One server process of ours: started, signalled and ended through its guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
READY_DEADLINE_S = 90.0  # a broker is ready in 5 s on an idle machine; CI machines are neither idle nor quick
STOP_DEADLINE_S = 30.0  # after that SIGTERM becomes SIGKILL; our own services have 25 s
POLL_S = 0.02  # readiness is looked at so often; nothing to await: these are other programs


class ServerProcess:
    """A running server. What it says goes to the end of `log`; `env` is its whole environment, or this process's."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            start_new_session=True,  # Ctrl-C is for the tests; they end their servers themselves
        )
        assert self._guard.stdout
        with self._guard.stdout as pid:
            self.pid = int(pid.readline())
        self._pidfd = os.pidfd_open(self.pid)
        self._ending = threading.Lock()  # whoever is interrupted while a thread of its ends this ends it again
        assert self._guard.stdin
        self._guard.stdin.write(b"\n")
        self._guard.stdin.flush()

    def said(self) -> bytes:
        """What this process, not an earlier one with the same log, has said."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    @property
    def status(self) -> int | None:
        """The exit status, in which 250 is SIGABRT and so on; None while it runs."""
        return self._guard.poll()

    def last_words(self) -> str:
        """The end of what it has said."""
        return self.said()[-2000:].decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Block until `ready()`; RuntimeError, and the process ended, where that does not come."""
        deadline = time.monotonic() + READY_DEADLINE_S
        while not ready():
            if self.status is not None or time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not get ready; its last words:\n{self.last_words()}")
            time.sleep(POLL_S)

    def send(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._pidfd, number)

    def pause(self) -> None:
        """SIGSTOP, and wait until it has reached every thread: one that still runs may answer."""
        self.send(signal.SIGSTOP)
        while not all(_is_stopped(thread) for thread in Path(f"/proc/{self.pid}/task").iterdir()):
            time.sleep(POLL_S)

    def end(self, number: signal.Signals) -> int:
        """Send this signal and wait for the end, by SIGKILL if need be; the exit status. Ending twice is fine."""
        with self._ending:
            return self._ended(number)

    def _ended(self, number: signal.Signals) -> int:
        if self._pidfd < 0:
            return self._guard.wait()
        with suppress(ProcessLookupError):  # it ended by itself
            self.send(number)
            self.send(signal.SIGCONT)  # a paused process sees no SIGTERM
        try:
            self._guard.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._guard.wait()
        assert self._guard.stdin
        self._guard.stdin.close()
        os.close(self._pidfd)
        self._pidfd = -1
        return self._guard.wait()


def _is_stopped(thread: Path) -> bool:
    try:
        status = (thread / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it ended
    return status.rpartition(")")[2].split()[0] == "T"
