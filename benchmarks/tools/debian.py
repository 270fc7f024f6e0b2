"""Programs out of Debian's packages, unpacked into the cache: nothing is installed into the system."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.infrastructure.fetching import Unavailable

LIBRARIES = "usr/lib/x86_64-linux-gnu"


def unpacked(cache: Path, name: str, *packages: str) -> Path:
    """A folder with what these packages hold, fetched once under `name`. Raises Unavailable."""
    folder = cache / f"debian-{name}"
    if folder.exists():
        return folder
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unavailable("apt-get and dpkg are needed to fetch Debian's packages")
    part = cache / f"debian-{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    (part / "fetched").mkdir(parents=True)
    _run(part / "fetched", "apt-get", "download", *packages)
    for package in (part / "fetched").glob("*.deb"):
        _run(part, "dpkg", "--extract", str(package), str(part))
    shutil.rmtree(part / "fetched")
    part.rename(folder)
    return folder


def environment(folder: Path) -> Mapping[str, str]:
    """What a program of such a folder needs to find its libraries."""
    return {"LD_LIBRARY_PATH": str(folder / LIBRARIES), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def _run(folder: Path, *command: str) -> None:
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise Unavailable(f"{command[0]} failed: {ended.stderr.strip()[-500:]}")
