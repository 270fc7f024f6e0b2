"""The tools that check the chart are the pinned ones, and refuse what Kubernetes would drop or refuse."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.infrastructure.downloads import HELM
from tests.infrastructure.manifests import Manifests

POD = """
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
    - name: gateway
      image: siddes-telemetry
      readinessProbe: {httpGet: {path: /readyz, port: admin}}
      resources: {limits: {cpu: 1, memory: 256Mi}}
"""
MONITOR = """
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: one, labels: {a: b}}
spec: {selector: {}, podMetricsEndpoints: [{port: admin}]}
"""
RULE = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: one}
spec: {groups: [{name: one, rules: [{alert: One, expr: up == 0, for: 1m}]}]}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one}
spec: {rules: [{matches: [{path: {type: PathPrefix, value: /api}}], backendRefs: [{name: one, port: 80}]}]}
"""


def test_kubeconform_has_nothing_to_say_about_good_manifests(manifests: Manifests) -> None:
    assert manifests.faults(f"{POD}---{MONITOR}---{RULE}---{ROUTE}") == []


@pytest.mark.parametrize(
    ("manifest", "good", "bad", "said"),
    [
        (POD, "readinessProbe", "readynessProbe", "'readynessProbe' not allowed"),
        (POD, "httpGet", "httpget", "'httpget' not allowed"),
        (POD, "256Mi", "[256Mi]", "got array"),
        (POD, "port: admin", "port: 1.5", "got number"),
        (POD, "name: one", "name: one, nmae: two", "'nmae' not allowed"),
        (POD, "kind: Pod", "kind: Pdo", "could not find schema for Pdo"),
        (POD, "kind: Pod", "kind: Pod\nkind: Pod", "already set"),
        (POD, "containers:", "initContainers:", "missing property 'containers'"),
        (MONITOR, "podMetricsEndpoints", "podMetricEndpoints", "'podMetricEndpoints' not allowed"),
        (MONITOR, "labels:", "lables:", "'lables' not allowed"),
        (RULE, "expr: up", "expression: up", "'expression' not allowed"),
        (ROUTE, "PathPrefix", "Prefix", "must be one of 'Exact', 'PathPrefix'"),
        (ROUTE, "backendRefs", "backends", "'backends' not allowed"),
    ],
)
def test_kubeconform_refuses_what_the_api_does_not_know(
    manifests: Manifests, manifest: str, good: str, bad: str, said: str
) -> None:
    assert manifest.count(good) == 1
    (fault,) = manifests.faults(manifest.replace(good, bad))
    assert said in fault


def test_helm_is_the_pinned_one(helm: Path) -> None:
    said = subprocess.run([helm, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=True)
    assert said.stdout == HELM


def test_helm_renders_for_the_version_of_the_schemas(helm: Path, kubernetes_api: Path, tmp_path: Path) -> None:
    """A plain build of Helm renders for Kubernetes 1.20."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: one\nversion: 1.0.0\n")
    (tmp_path / "templates/one.yaml").write_text("version: {{ .Capabilities.KubeVersion.Version }}\n")
    said = subprocess.run([helm, "template", tmp_path], capture_output=True, text=True, check=True)
    version = kubernetes_api.name.removeprefix("kubernetes-").rsplit(".", 1)[0]
    assert f"version: {version}.0\n" in said.stdout
