"""A server that ends by itself is named where a test fails meanwhile."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from tests.infrastructure.local import LocalServer, ended_by_themselves
from tests.infrastructure.process import ServerProcess


class Sleeper(LocalServer):
    def _prepare(self) -> list[str]:
        return ["sh", "-c", "echo ready; exec sleep 600"]

    def _serves(self, process: ServerProcess) -> bool:
        return b"ready" in process.said()


def test_only_what_ended_by_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "dies").mkdir()
    (tmp_path / "stays").mkdir()
    with Sleeper(tmp_path / "dies") as dies, Sleeper(tmp_path / "stays") as stays:
        assert ended_by_themselves() == []
        died = os.pidfd_open(dies.pid)
        os.kill(dies.pid, signal.SIGABRT)
        select.select([died], [], [])
        os.close(died)
        stays.stop()
        stays.start()
        while not (named := ended_by_themselves()):  # its guard ends after it
            pass
        assert named == [(f"{tmp_path}/dies ended by itself with status 250", "ready\n")]
    assert ended_by_themselves() == []
