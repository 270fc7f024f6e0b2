"""A project of `docker compose`, where there is an engine that has its images or can pull them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.infrastructure.fetching import Unavailable
from tests.infrastructure.found import RuledOut
from tests.infrastructure.names import fresh
from tests.product.deploy_files import DEPLOY

START_S = 900.0  # builds an image and starts twenty containers
COMMAND_S = 180.0
SILENCE_S = 30.0  # of a question about the file, or about the plug-in


def base_image(environ: Mapping[str, str]) -> str:
    """What the services' image is built from."""
    pinned = re.search(r"^ARG PYTHON_IMAGE=(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert pinned
    return environ.get("PYTHON_IMAGE") or pinned[1]


class ComposeProject:
    """`with` ends it, with its containers and volumes. `settings` are in the environment, over those of `env_file`."""

    def __init__(self, file: Path, *, env_file: Path, settings: Mapping[str, str]) -> None:
        self.name = fresh("compose")
        self._command = ["docker", "compose", "-p", self.name, "-f", str(file), "--env-file", str(env_file)]
        self._environment = {**os.environ, **settings}

    def require(self) -> None:
        """Raise RuledOut if there is no engine with compose and all the images."""
        if os.environ.get("TEST_SERVERS", "docker") != "docker":
            raise RuledOut("docker compose: TEST_SERVERS leaves containers out")
        if shutil.which("docker") is None or self.run("version", within_s=SILENCE_S, check=False).returncode:
            raise RuledOut("docker compose is not installed")
        from tests.infrastructure import containers  # a fifth of a second to import: only where it is tried

        for image in sorted(self._images()):
            try:
                containers.image_at_hand(image)
            except Unavailable as reason:
                raise RuledOut(f"docker compose: {reason}") from None

    def start(self) -> None:
        """Build what is built, start everything, and wait until all is healthy."""
        self.run("up", "--build", "--detach", "--wait", within_s=START_S)

    def run(self, *arguments: str, within_s: float = COMMAND_S, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker compose ARGUMENTS`. AssertionError with what it said if it fails, unless `check` is False."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments[0]}: {done.stdout}{done.stderr}"
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            print(self.run("ps", "--all", check=False).stdout)
            print(self.run("logs", "--no-color", "--tail", "15", check=False).stdout)
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def _images(self) -> set[str]:
        """Those that are pulled: of services, and the base of the one that is built."""
        services = json.loads(self.run("config", "--format", "json", within_s=SILENCE_S).stdout)["services"]
        ours = {service["image"] for service in services.values() if "build" in service}
        return {service["image"] for service in services.values()} - ours | {base_image(self._environment)}
