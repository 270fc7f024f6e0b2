"""What processes have used so far, as proc(5) says: much the same whoever else is at work on the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB_KB = 1024


def processor_s(pid: int) -> float:
    """User and system time of a process and its children, in seconds."""
    return _ticks(pid) / TICKS


def peak_mb(pid: int) -> float:
    """The most that a process had resident (VmHWM)."""
    return _status(pid, "VmHWM")


def resident_mb(pid: int) -> float:
    """What a process has resident now (VmRSS)."""
    return _status(pid, "VmRSS")


def _status(pid: int, field: str) -> float:
    match = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1]) / MIB_KB


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(fields[11]) + int(fields[12]) + sum(_ticks(int(child)) for child in children)
