"""The distribution: an sdist, the wheel built from it, and a command of the installed wheel."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["dev-mode-dirs"]


def output(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a packager makes it: from the unpacked sdist, without the checkout."""
    folder = tmp_path_factory.mktemp("package")
    output(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    tracked = output("git", "ls-files", *PORTIONS, cwd=ROOT).split()
    expected = {path.split("/", 1)[1] for path in tracked}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert len(expected) > 100


def test_the_command_of_an_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """In an environment that has the dependencies, from the one of the tests, and nothing else of the checkout."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin/python"
    output(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    [site] = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files are not followed
    command = environment / "bin/siddes-telemetry"
    imported = "from siddes_telemetry.cli import version; print(version.__file__)"
    assert Path(output(python, "-c", imported, cwd=tmp_path).strip()).is_relative_to(environment)
    assert output(command, "--version", cwd=tmp_path) == f"{wheel.name.split('-')[1]}\n"
    assert "CREATE TABLE" in output(command, "schema", "ddl", cwd=tmp_path)
