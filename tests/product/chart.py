"""The Helm chart of deploy/helm, rendered by a real Helm, and what a pod of it gives to a process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.product.deploy_files import DEPLOY

CHART = DEPLOY / "helm" / "siddes-telemetry"
VALUES = Path(__file__).parents[1] / "golden" / "chart"
CASES = sorted(file.name.removesuffix(".values.yaml") for file in VALUES.glob("*.values.yaml"))
RELEASE, NAMESPACE = "counts", "telemetry"
FILES = "/etc/siddes-telemetry"
PREFIX = "SIDDES_TELEMETRY_"
HELM_S = 60.0
Object = dict[str, Any]


class Refused(Exception):
    """Helm rendered nothing; the text is what it said."""


def values_of(case: str) -> Path:
    """The file of values of a case."""
    return VALUES / f"{case}.values.yaml"


def rendered(helm: Path, *values: Path, chart: Path = CHART, release: str = RELEASE, namespace: str = NAMESPACE) -> str:
    """What `helm template` prints. Raises Refused."""
    return _helm(helm, "template", release, str(chart), "--namespace", namespace, values=values)


def packaged(helm: Path, folder: Path) -> Path:
    """The archive that `helm package` makes of the chart."""
    _helm(helm, "package", str(CHART), "--destination", str(folder), values=())
    (archive,) = folder.glob("*.tgz")
    return archive


def lint(helm: Path, *values: Path) -> None:
    """Raise Refused if `helm lint --strict` finds anything."""
    _helm(helm, "lint", "--strict", str(CHART), values=values)


def _helm(helm: Path, *arguments: str, values: tuple[Path, ...]) -> str:
    command = [str(helm), *arguments, *(f"--values={file}" for file in values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HELM_S, check=False)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def written(folder: Path, values: Mapping[str, Any]) -> Path:
    """A file of these values in the folder."""
    file = folder / "values.yaml"
    file.write_text(json.dumps(values, ensure_ascii=False))  # YAML knows no surrogate pairs
    return file


def objects(text: str) -> list[Object]:
    """The objects of a rendering."""
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(text: str, kind: str) -> list[Object]:
    return [each for each in objects(text) if each["kind"] == kind]


@dataclass(frozen=True)
class RenderedPod:
    """A pod of a rendering, which has one container."""

    component: str
    metadata: Object
    spec: Object

    @property
    def container(self) -> Object:
        (only,) = self.spec["containers"]
        found: Object = only
        return found

    @property
    def settings(self) -> dict[str, str]:
        """Our settings in its environment, without their prefix."""
        environment = {each["name"]: each.get("value") for each in self.container.get("env", ())}
        return {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}

    @property
    def files(self) -> dict[str, tuple[str, str, str]]:
        """The files that are mounted, by name: the kind of object that each comes from, its name, and the key."""
        found = {}
        for volume in self.spec.get("volumes", ()):
            for source in volume.get("projected", {}).get("sources", ()):
                ((kind, projection),) = source.items()
                for item in projection["items"]:
                    assert item["path"] not in found, item
                    found[item["path"]] = (kind, projection["name"], item["key"])
        return found


def pods(text: str) -> Iterator[RenderedPod]:
    """Of Deployments, Jobs and bare Pods."""
    for each in objects(text):
        component = each["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
        if each["kind"] in ("Deployment", "Job"):
            template = each["spec"]["template"]
            yield RenderedPod(component, template["metadata"], template["spec"])
        elif each["kind"] == "Pod":
            yield RenderedPod(component, each["metadata"], each["spec"])


def ours(text: str) -> dict[str, RenderedPod]:
    """The pods that run `siddes-telemetry`, by component."""
    found = {pod.component: pod for pod in pods(text)}
    return {name: pod for name, pod in found.items() if name not in ("proxy", "test")}
