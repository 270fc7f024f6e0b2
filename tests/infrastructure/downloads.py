"""What local servers run from, fetched once into a cache folder through the registries' own clients and checked.

`python3 -m tests.infrastructure.downloads [kafka] [compiler] [clickhouse]` fetches ahead of the tests. It needs Python
alone.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
KAFKA = "kafka-4.1.1"
KAFKA_SHA256 = (
    "a3030b5e96aa0571d6ccc42ccc50a3b5df413036c3f437437cedf84205e5bf4c"  # of `sha256sum`'s lines for the sorted jars
)
COMPILER = "ecj-3.39.0.jar"
COMPILER_ARTIFACT = "org.eclipse.jdt:ecj:3.39.0"
COMPILER_SHA256 = "01f5a92ac19bb2b3bf85e295a68f2c73c264369109158b566ce9b490af982948"
LIBCHDB = "libchdb-26.7.3-stable.1.so"
LIBCHDB_PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
LIBCHDB_INTEGRITY = (
    "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="  # SHA-512
)
FETCH_DEADLINE_S = 540  # 178 MB over a slow line; a client that hangs is ended


class Unavailable(Exception):
    """This server cannot be had in this way; the text says why."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("SIDDES_TEST_CACHE") or HERE.parents[1] / ".cache").absolute()


def kafka_jars(cache: Path) -> Path:
    """The folder of the broker's jars (43 MB)."""
    _require("java")
    with _fetching(cache, KAFKA) as (folder, done):
        if not done:
            _require("mvn")
            shutil.copy(HERE / "pom.xml", folder)
            _run(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars")
            lines = [f"{_sha256(jar)}  {jar.name}\n" for jar in sorted((folder / "jars").iterdir())]
            _check(hashlib.sha256("".join(lines).encode()).hexdigest(), KAFKA_SHA256, "the broker's jars")
            (folder / "jars").rename(cache / KAFKA)
    return cache / KAFKA


def java_compiler(cache: Path) -> Path:
    """Eclipse's compiler (3 MB), for Java runtimes without one."""
    _require("java")
    with _fetching(cache, COMPILER) as (folder, done):
        if not done:
            _require("mvn")
            artifact = f"-Dartifact={COMPILER_ARTIFACT}"
            _run(folder, "mvn", "-q", "-B", "dependency:copy", artifact, "-DoutputDirectory=.")
            _check(_sha256(folder / COMPILER), COMPILER_SHA256, "the Java compiler")
            (folder / COMPILER).rename(cache / COMPILER)
    return cache / COMPILER


def libchdb(cache: Path) -> Path:
    """The file of the ClickHouse library (178 MB to fetch, 566 MB unpacked)."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unavailable("the library is for Linux on x86-64 only")
    with _fetching(cache, LIBCHDB) as (folder, done):
        if not done:
            _require("npm")
            _run(folder, "npm", "pack", "--silent", LIBCHDB_PACKAGE)
            (archive,) = folder.glob("*.tgz")
            with archive.open("rb") as file:
                digest = hashlib.file_digest(file, "sha512").digest()
            _check(base64.b64encode(digest).decode(), LIBCHDB_INTEGRITY, "the ClickHouse library")
            with tarfile.open(archive) as tar, (folder / LIBCHDB).open("wb") as library:
                member = tar.extractfile("package/libchdb.so")
                assert member
                shutil.copyfileobj(member, library)
            (folder / LIBCHDB).rename(cache / LIBCHDB)
    return cache / LIBCHDB


FETCHERS = {"kafka": kafka_jars, "compiler": java_compiler, "clickhouse": libchdb}


@contextmanager
def _fetching(cache: Path, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder to fetch into, on the cache's own disk; one process at a time, the next finds it done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with TemporaryDirectory(dir=cache) as folder:
            yield Path(folder), (cache / name).exists()


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise Unavailable(f"no {program} on the PATH")


def _run(folder: Path, *command: str) -> None:
    print(f"fetching with {command[0]}, once ...", file=sys.stderr, flush=True)
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=FETCH_DEADLINE_S, stdout=sys.stderr)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} could not fetch it") from error


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _check(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise RuntimeError(f"{what}: not the bytes that were pinned, but {found}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or FETCHERS:
        FETCHERS[wanted](cache_folder(os.environ))
