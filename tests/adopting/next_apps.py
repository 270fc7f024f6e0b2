"""A Next.js app with the files of docs/adopting.md, built once and started with the environment of each recipe."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.adopting.apps import COMMANDS, ROOT, served
from tests.adopting.recipes import Recipe
from tests.infrastructure.downloads import NEXT_APP
from tests.product.process import environment

BUILD_S = 300  # 13 s of processor time, on however busy a machine
QUIET = {"NEXT_TELEMETRY_DISABLED": "1"}
DJANGO = Recipe("Next.js with Django sessions")
NEXTAUTH = Recipe("Next.js with NextAuth")


class NextApp:
    """A folder below the one that has Next.js, with the files of both recipes."""

    def __init__(self, packages: Path, folder: Path) -> None:
        self._next = ["node", str(packages / "node_modules/next/dist/bin/next")]
        self._folder = folder
        for name in ("app", "providers.ts", "tsconfig.json"):
            source = NEXT_APP / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        for recipe in (DJANGO, NEXTAUTH):
            recipe.write(folder, *(name for name in recipe.files() if name.startswith("app/")))
        for package in ("typescript", "proxy"):
            _install(ROOT / "clients" / package, folder)
        Recipe("Your events").write(folder, "events.toml")
        _write_module(folder)

    def build(self) -> None:
        """`next build`, which also checks all types."""
        built = subprocess.run(
            [*self._next, "build", str(self._folder)],
            env=environment({}) | QUIET,
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        assert built.returncode == 0, built.stdout + built.stderr

    def started(self, folder: Path, port: int, variables: Mapping[str, str]) -> AbstractContextManager[str]:
        """The address of `next start`."""
        return self._serve("start", folder, port, variables)

    def in_development(self, folder: Path, port: int, variables: Mapping[str, str]) -> AbstractContextManager[str]:
        """The address of `next dev`."""
        return self._serve("dev", folder, port, variables)

    def _serve(self, how: str, folder: Path, port: int, variables: Mapping[str, str]) -> AbstractContextManager[str]:
        command = [*self._next, how, str(self._folder), "--port", str(port), "--hostname", "127.0.0.1"]
        return served(command, folder, port, {**QUIET, **variables})


@contextmanager
def next_app(packages: Path) -> Iterator[NextApp]:
    with TemporaryDirectory(dir=packages, prefix="app-") as folder:
        yield NextApp(packages, Path(folder))


def _install(package: Path, app: Path) -> None:
    """What npm does with the package's archive."""
    installed = app / "node_modules" / f"siddes-telemetry-{'sdk' if package.name == 'typescript' else package.name}"
    shutil.copytree(package / "dist", installed / "dist")
    shutil.copy(package / "package.json", installed)


def _write_module(app: Path) -> None:
    """The recipe's last command. npm's part of it is `_install`."""
    (command,) = re.findall(r"^siddes-telemetry (.+)$", DJANGO.files()[COMMANDS], re.MULTILINE)
    program = f"{sys.executable} -m siddes_telemetry"
    subprocess.run(["sh", "-ec", f"{program} {command}"], cwd=app, env=environment({}), check=True, timeout=BUILD_S)
