"""Manifests held against the schemas of Kubernetes' API by a real kubeconform."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Manifests:
    """Their checker: `kubeconform` is the program, `schemas` the folder that write_schemas() filled."""

    kubeconform: Path
    schemas: Path

    def faults(self, text: str) -> list[str]:
        """What is wrong with the YAML documents of `text`, one line a fault; a kind without a schema is one."""
        layout = f"{self.schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
        command = (self.kubeconform, "-strict", "-output", "json", "-schema-location", layout, "-n", "1")
        answer = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode not in {0, 1} or answer.stderr:
            raise RuntimeError(f"kubeconform failed: {answer.stderr}")
        found = json.loads(answer.stdout)["resources"] or []
        return [f"{one['kind']} {one['name']}: {one['msg']}" for one in found]
