"""What the chart renders: golden manifests that Kubernetes' schemas know.

`GOLDEN=write pytest tests/integration/chart` writes the manifests anew: review the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from tests.infrastructure.manifests import Manifests
from tests.product.chart import (
    CASES,
    VALUES,
    lint,
    objects,
    of_kind,
    packaged,
    pods,
    rendered,
    values_of,
    written,
)
from tests.product.deploy_files import DEPLOY


@pytest.mark.parametrize("case", CASES)
def test_a_rendering_is_the_golden_one(case: str, renderings: dict[str, str]) -> None:
    golden = VALUES / f"{case}.yaml"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(renderings[case])
    assert renderings[case] == golden.read_text(), "GOLDEN=write pytest tests/integration/chart, and read the diff"


def test_kubernetes_knows_every_field(rendering: str, manifests: Manifests) -> None:
    assert manifests.faults(rendering) == []


@pytest.mark.parametrize("case", CASES)
def test_lint_has_nothing_to_say(case: str, helm: Path) -> None:
    lint(helm, values_of(case))


def test_a_name_that_yaml_takes_for_something_else_stays_a_name(
    helm: Path, manifests: Manifests, tmp_path: Path
) -> None:
    values = {
        "fullnameOverride": "true",
        "image": {"repository": "1", "tag": "2"},
        "auth": {"jwt": {"secret": {"secretName": "123", "key": "on"}}},
        "events": {"configMapName": "yes"},
        "gateway": {"priorityClassName": "1e3"},
        "topologySpread": {"topologyKeys": ["null"]},
        "proxy": {"enabled": True},
        "ingress": {"enabled": True, "className": "no", "hosts": ["a.example"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "off"}]},
        "podMonitor": {"enabled": True},
    }
    account = {"serviceAccount": {"create": False, "name": "0x10"}}
    for more in ({}, account):
        text = rendered(helm, values_of("minimal"), written(tmp_path, values | more), release="123", namespace="456")
        assert manifests.faults(text) == []


def test_a_packaged_chart_renders_the_same(helm: Path, renderings: dict[str, str], tmp_path: Path) -> None:
    archive = packaged(helm, tmp_path)
    assert rendered(helm, values_of("everything"), chart=archive) == renderings["everything"]


def test_no_secret_is_rendered(rendering: str) -> None:
    assert of_kind(rendering, "Secret") == []
    for pod in pods(rendering):
        variables = {each["name"] for each in pod.container.get("env", ())}
        assert not {name for name in variables if re.search("(PASSWORD|SECRET|VIEWER_KEY)$", name)}
        urls = [value for name, value in pod.settings.items() if name == "CLICKHOUSE" or name.endswith("_URL")]
        assert not [url for url in urls if "@" in url]


def test_selectors_find_the_pods_of_one_component(rendering: str) -> None:
    labels = {pod.component: pod.metadata["labels"] for pod in pods(rendering)}

    def found(selector: dict[str, str]) -> set[str]:
        return {name for name, each in labels.items() if selector.items() <= each.items()}

    for each in objects(rendering):
        spec = each.get("spec", {})
        match each["kind"]:
            case "Deployment" | "PodDisruptionBudget":
                selector = spec["selector"]["matchLabels"]
            case "NetworkPolicy":
                selector = spec["podSelector"]["matchLabels"]
            case "Service":
                selector = spec["selector"]
            case _:
                continue
        assert found(selector) == {each["metadata"]["labels"]["app.kubernetes.io/component"]}
    for monitor in of_kind(rendering, "PodMonitor"):
        monitored = found(monitor["spec"]["selector"]["matchLabels"])
        with_port = {
            pod.component
            for pod in pods(rendering)
            if "admin" in {each["name"] for each in pod.container.get("ports", ())}
        }
        assert monitored & with_port == {"gateway", "consumer", "summary"}


def test_what_names_another_object_names_one_that_is_there(rendering: str) -> None:
    services = {
        (each["metadata"]["name"], port[by])
        for each in of_kind(rendering, "Service")
        for port in each["spec"]["ports"]
        for by in ("name", "port")
    }
    deployments = {each["metadata"]["name"]: each for each in of_kind(rendering, "Deployment")}
    for ingress in of_kind(rendering, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
            assert {(each["name"], each["port"]["name"]) for each in backends} <= services
    for scaler in of_kind(rendering, "HorizontalPodAutoscaler"):
        target = deployments[scaler["spec"]["scaleTargetRef"]["name"]]
        assert target["metadata"]["name"] == scaler["metadata"]["name"]
        assert "replicas" not in target["spec"]  # an upgrade would undo what the autoscaler did
    for pod in pods(rendering):
        if pod.component == "test":
            urls = re.findall(r"http://([a-z-]+):?(\d*)/", " ".join(pod.container["command"]))
            assert len(urls) > 1
            assert {(name, int(port or 80)) for name, port in urls} <= services
    for job in of_kind(rendering, "Job"):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        (codes,) = [rule["onExitCodes"] for rule in job["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
        assert codes["containerName"] == container["name"]


def test_a_hook_needs_nothing_that_is_made_after_it(renderings: dict[str, str], helm: Path, tmp_path: Path) -> None:
    named = rendered(helm, values_of("minimal"), written(tmp_path, {"serviceAccount": {"name": "counts"}}))
    for rendering in (*renderings.values(), named):
        made = {each["metadata"]["name"] for each in of_kind(rendering, "ServiceAccount")}
        for job in of_kind(rendering, "Job"):
            assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert job["spec"]["template"]["spec"].get("serviceAccountName") not in made
    off = written(tmp_path, {"migrate": {"enabled": False}})
    assert not of_kind(rendered(helm, values_of("minimal"), off), "Job")


def test_rules_and_dashboard_are_those_of_the_project(helm: Path, manifests: Manifests, tmp_path: Path) -> None:
    wanted = {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
    text = rendered(helm, values_of("minimal"), written(tmp_path, wanted))
    (rule,) = of_kind(text, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    (dashboard,) = [each for each in of_kind(text, "ConfigMap") if each["metadata"]["name"].endswith("-dashboard")]
    (content,) = dashboard["data"].values()
    assert json.loads(content) == json.loads((DEPLOY / "grafana/siddes-telemetry.json").read_text())
    assert manifests.faults(text) == []
