"""Load as fast as it is taken: wrk, from Debian's package, posting what stands in a file."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import AROUND, on
from benchmarks.tools.debian import environment, unpacked

SCRIPT = Path(__file__).with_name("requests.lua")
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_TROUBLE = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")


@dataclass(frozen=True, slots=True)
class Wrk:
    """One thread of wrk on the core around the measured one."""

    folder: Path

    @classmethod
    def fetched(cls, cache: Path) -> Wrk:
        return cls(unpacked(cache, "wrk", "wrk", "libluajit-5.1-2"))

    def rate(self, url: str, requests: Path, *, connections: int, seconds: float) -> float:
        """Requests answered 2xx a second. RuntimeError where any was answered otherwise, or not at all."""
        command = [
            *(str(self.folder / "usr/bin/wrk"), "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds:g}s", "--script", str(SCRIPT), url, "--", str(requests)),
        ]
        said = subprocess.run(
            on(AROUND, *command), env=environment(self.folder), check=True, capture_output=True, text=True
        ).stdout
        found = _RATE.search(said)
        if found is None or _TROUBLE.search(said):
            raise RuntimeError(f"wrk was not answered as it should be:\n{said}")
        return float(found[1])
