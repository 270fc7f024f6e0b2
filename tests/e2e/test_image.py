"""The image of deploy/Dockerfile, built by deploy/make-image and run as a cautious cluster runs it.

Runs where there is a Docker engine that has the base or can pull it. PYTHON_IMAGE names another base; CA and
PIP_INDEX_URL are what pip needs (deploy/make-image). Elsewhere it is skipped, with the reason in the summary.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator

import pytest

from tests.infrastructure.compose import base_image
from tests.infrastructure.fetching import Unavailable
from tests.infrastructure.names import fresh
from tests.product.deploy_files import DEPLOY

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ROOT = DEPLOY.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CONFINED = [
    "--read-only",
    "--tmpfs=/tmp:size=1m",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
]
# Modules whose bytecode is missing, or would be compared with a source's time.
STALE = """
import pathlib, importlib.util
for source in pathlib.Path("/opt/siddes/lib").rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(str(source)))
    if not compiled.exists() or compiled.read_bytes()[4:8] != b"\\x01\\0\\0\\0":
        print(source)
"""


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    if os.environ.get("TEST_SERVERS", "docker") != "docker":
        pytest.skip("the image: TEST_SERVERS leaves containers out")
    from tests.infrastructure import containers  # a fifth of a second to import: only where it is tried

    try:
        containers.image_at_hand(base_image(os.environ))
    except Unavailable as reason:
        pytest.skip(f"the image: {reason}")
    name = fresh("image")
    assert f"built {name}:{VERSION}" in said("env", f"IMAGE={name}", str(DEPLOY / "make-image"))
    yield f"{name}:{VERSION}"
    said("docker", "image", "rm", f"{name}:{VERSION}")


def run(image: str, *arguments: str, program: str = "siddes-telemetry", user: str = "65432:0") -> str:
    """What it prints as a user that the image does not know, on a root that cannot be written."""
    return said("docker", "run", "--rm", *CONFINED, "--user", user, "--entrypoint", program, image, *arguments)


def test_any_user_runs_it_on_a_read_only_root(image: str) -> None:
    assert run(image, "--version").strip() == VERSION
    assert "--drain-delay" in run(image, "gateway", "--help")


def test_its_openapi_document_is_the_one_of_this_source(image: str) -> None:
    assert json.loads(run(image, "/openapi.json", program="cat")) == json.loads(
        (ROOT / "docs/openapi.json").read_text()
    )


def test_its_bytecode_is_complete_and_goes_by_no_time(image: str) -> None:
    assert run(image, "-c", STALE, program="python") == ""


def test_it_says_what_it_is_and_runs_as_no_root_and_holds_nothing_of_the_build(image: str) -> None:
    [inspected] = json.loads(said("docker", "image", "inspect", image))
    labels = inspected["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.revision"].startswith(
        said("git", "-C", str(ROOT), "rev-parse", "HEAD")[:40]
    )
    assert inspected["Config"]["User"] == "10001:10001"
    assert set(inspected["Config"]["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "9090/tcp"}
    history = said("docker", "history", "--no-trunc", image)
    assert not re.search("PIP_|/run/secrets|--hash", history + json.dumps(inspected))
    assert run(image, "-c", "ls /run/secrets 2>&1; ls /src 2>&1; true", program="sh").count("No such file") == 2
