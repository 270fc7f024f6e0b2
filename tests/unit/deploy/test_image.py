"""deploy/Dockerfile and deploy/make-image: what is pinned, what labels say, and why no image can be made."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.product.deploy_files import DEPLOY

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
VERSION = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]


def test_the_base_is_named_by_its_digest() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+\.\d+-slim@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)


def test_the_labels_name_the_version_and_where_the_openapi_document_is() -> None:
    labels = dict(re.findall(r'([\w.]+)="([^"]*)"', DOCKERFILE.partition("\nLABEL ")[2].partition("\nCOPY")[0]))
    assert labels["org.opencontainers.image.version"] == VERSION
    assert re.search(rf"^COPY --from=build \S+ {labels['siddes.telemetry.openapi']}$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "docker or podman"),
        ({"ENGINE": "none-of-this-name"}, "ENGINE=none-of-this-name is not installed"),
        ({"ENGINE": "false"}, "'false info'"),
        ({"CA": "no-such-file"}, "CA names no file"),
        ({"PIP_CONF": "no-such-file"}, "PIP_CONF names no file"),
        ({"CA": "/tmp"}, "CA names no file"),
        ({"PIP_INDEX_URL": "https://me:secret@mirror.example/simple"}, "PIP_INDEX_URL holds a login"),
        ({"IMAGE": "registry.example:5000/counts:1"}, "has a tag"),
        ({"IMAGE": "registry.example:5000/counts"}, "docker or podman"),
    ],
)
def test_where_no_image_can_be_made_make_image_says_why(settings: Mapping[str, str], said: str, tmp_path: Path) -> None:
    for program in ("dirname", "false"):  # all that it may find: no engine
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    command = ["/bin/sh", str(DEPLOY / "make-image")]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path), **settings}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert not done.stdout


def test_a_file_whose_name_an_engine_would_divide_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca,type=env").touch()
    environment = {"PATH": "/usr/bin:/bin", "CA": str(tmp_path / "ca,type=env")}
    done = subprocess.run(
        [str(DEPLOY / "make-image")], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "CA: a comma" in done.stderr
