"""What /proc and the file system tell of a process or a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.soak import series
from tests.soak.series import of

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_THREADS = re.compile(r"^Threads:\s+(\d+)$", re.MULTILINE)
MB = 1_000_000


def of_process(name: str, pid: int) -> dict[str, float]:
    """Its memory, descriptors and threads, under this name; empty if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # the names alone, without a Path of each
    except (FileNotFoundError, ProcessLookupError):
        return {}
    resident, threads = _RESIDENT.search(status), _THREADS.search(status)
    if resident is None or threads is None:  # it has ended, and nobody has waited for it yet
        return {}
    return {
        of(name, series.MEMORY): int(resident[1]) * 1024 / MB,
        of(name, series.DESCRIPTORS): descriptors,
        of(name, series.THREADS): int(threads[1]),
    }


def disk_mb(folder: Path) -> float:
    """What the files of a folder take on disk. Files may come and go meanwhile."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(inside, name)).st_blocks * 512  # noqa: PTH118  # thousands of files
            except FileNotFoundError:
                continue
    return total / MB
