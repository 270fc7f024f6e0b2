"""A server of one test: the same folder and ports through stops, kills and pauses."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakSet

from tests.infrastructure.process import ServerProcess

_servers: WeakSet[LocalServer] = WeakSet()


def ended_by_themselves() -> list[tuple[str, str]]:
    """(title, last words) of each server that nobody has ended: a test that fails meanwhile fails for this reason."""
    return [ended for server in _servers if (ended := server.ended_by_itself()) is not None]


class LocalServer(ABC):
    """`with` starts it and ends it. A start blocks for seconds: async tests `await asyncio.to_thread(server.start)`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Holds the configuration, the data and `server.log`."""
        self._process: ServerProcess | None = None
        _servers.add(self)

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended; a paused one runs."""
        return self._process is not None

    def ended_by_itself(self) -> tuple[str, str] | None:
        """(title, last words) if it was not ended and does not run."""
        if self._process is None or self._process.status is None:
            return None
        return f"{self.folder} ended by itself with status {self._process.status}", self._process.last_words()

    def start(self) -> None:
        """Start on what the folder holds, and wait until it serves. RuntimeError with its last words if it does not."""
        assert self._process is None, "it runs already"
        process = ServerProcess(self._prepare(), log=self.folder / "server.log")
        process.wait_until(lambda: self._serves(process))
        self._process = process

    def stop(self) -> None:
        """The orderly way: SIGTERM."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._running.pause()

    def resume(self) -> None:
        self._running.send(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Make the folder ready for a start; the command that starts the server."""

    @abstractmethod
    def _serves(self, process: ServerProcess) -> bool:
        """Whether this process, not another one on the same port, answers."""

    @property
    def _running(self) -> ServerProcess:
        assert self._process is not None, "it does not run"
        return self._process

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._running, None
        process.end(number)
