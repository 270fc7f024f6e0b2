"""Which processor runs what: the measured program has one to itself, what serves or loads it has the other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

MEASURED, AROUND = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


def on(core: int, *command: str) -> Sequence[str]:
    """A command, pinned."""
    return ("taskset", "--cpu-list", str(core), *command)


def pin(pid: int, *cores: int) -> None:
    """Move a running process, all its threads, to these."""
    listed = ",".join(str(core) for core in cores)
    subprocess.run(["taskset", "--all-tasks", "--pid", "--cpu-list", listed, str(pid)], check=True, capture_output=True)
