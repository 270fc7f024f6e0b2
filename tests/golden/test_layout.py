"""Each top-level folder of the package is a portion of the namespace package siddes_telemetry (PEP 420)."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = PROJECT["tool"]
PORTIONS = {folder.parent.name for folder in ROOT.glob("*/siddes_telemetry")}


def test_no_portion_hides_the_others() -> None:
    """An __init__.py beside siddes_telemetry makes it a regular package: the other folders are no longer found."""
    assert not list(ROOT.glob("*/siddes_telemetry/__init__.py"))
    spec = find_spec("siddes_telemetry")
    assert spec is not None
    assert spec.origin is None


def test_every_portion_is_one_typed_package_named_like_its_folder() -> None:
    for portion in PORTIONS:
        packages = [path.name for path in (ROOT / portion / "siddes_telemetry").iterdir() if path.is_dir()]
        assert [name for name in packages if name != "__pycache__"] == [portion]
        assert (ROOT / portion / "siddes_telemetry" / portion / "py.typed").is_file(), portion


def test_every_list_of_the_portions_is_complete() -> None:
    hatch, mypy = TOOLS["hatch"]["build"], TOOLS["mypy"]
    packaged = {Path(path).parent.name for path in hatch["targets"]["wheel"]["packages"]}
    [arrows] = TOOLS["importlinter"]["contracts"]
    layers = {layer.strip() for line in arrows["layers"] for layer in line.split("|")}
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    let_through = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert len(PORTIONS) > 1
    assert set(hatch["dev-mode-dirs"]) == packaged == PORTIONS
    assert set(hatch["targets"]["sdist"]["only-include"]) >= PORTIONS
    assert set(mypy["files"]) >= PORTIONS
    assert set(mypy["mypy_path"].split(":")) >= PORTIONS
    assert set(TOOLS["ruff"]["src"]) >= PORTIONS
    assert layers == {f"siddes_telemetry.{portion}" for portion in PORTIONS}
    assert set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE)) == PORTIONS <= let_through
