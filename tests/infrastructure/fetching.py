"""How files are fetched into a cache folder, once: by the registries' own clients, one process at a time, checked."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
FETCH_DEADLINE_S = 540  # 178 MB over a slow line; a client that hangs is ended


class Unavailable(Exception):
    """This server cannot be had in this way; the text says why."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("SIDDES_TEST_CACHE") or HERE.parents[1] / ".cache").absolute()


@contextmanager
def fetching(cache: Path, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder to fetch into, on the cache's own disk; one process at a time, the next finds it done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with TemporaryDirectory(dir=cache) as folder:
            yield Path(folder), (cache / name).exists()


def require(program: str) -> None:
    if shutil.which(program) is None:
        raise Unavailable(f"no {program} on the PATH")


def run(
    folder: Path, *command: str, deadline_s: float = FETCH_DEADLINE_S, environ: Mapping[str, str] | None = None
) -> None:
    """What the command says goes to stderr. Unavailable where it fails."""
    name = Path(command[0]).name
    print(f"fetching with {name}, once ...", file=sys.stderr, flush=True)
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=deadline_s, stdout=sys.stderr, env=environ)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{name} could not fetch it") from error


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise RuntimeError(f"{what}: not the bytes that were pinned, but {found}")
