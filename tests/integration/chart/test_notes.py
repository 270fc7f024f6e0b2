"""What Helm says after an installation: the names and ports in it are those of the objects that were made."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.product.chart import CHART, NAMESPACE, of_kind, rendered, values_of, written

AS_OBJECT = """kind: Notes
metadata: {name: notes}
text: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}
"""


@pytest.fixture(scope="module")
def with_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, whose notes are an object: `helm template` leaves them out, and `helm install` needs a cluster."""
    copy = tmp_path_factory.mktemp("notes") / CHART.name
    shutil.copytree(CHART, copy)
    (copy / "templates/NOTES.txt").rename(copy / "NOTES.txt")
    (copy / "templates/notes.yaml").write_text(AS_OBJECT)
    return copy


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ["`migrate` was done", "ingestUrl:", "Nobody scrapes"]),
        ({"proxy": {"enabled": True}, "migrate": {"only": "topics"}}, ["The tables are yours", "-proxy, port 80"]),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}, "migrate": {"enabled": False}},
            ["run it yourself", "/api/telemetry of your Gateway"],
        ),
        (
            {
                "fullnameOverride": "other",
                "proxy": {"enabled": True},
                "ingress": {"enabled": True, "hosts": ["a.example", "b.example"]},
                "api": {"enabled": False},
                "podMonitor": {"enabled": True},
            },
            ["/api/telemetry of a.example, b.example", "kill switch is on"],
        ),
    ],
)
def test_the_notes_name_what_was_made(
    helm: Path, with_notes: Path, tmp_path: Path, values: dict[str, Any], said: list[str]
) -> None:
    text = rendered(helm, values_of("minimal"), written(tmp_path, values), chart=with_notes)
    (notes,) = (each["text"] for each in of_kind(text, "Notes"))
    assert [one for one in said if one not in notes] == []
    services = {(each["metadata"]["name"], each["spec"]["ports"][0]["port"]) for each in of_kind(text, "Service")}
    named = re.findall(rf"http://([a-z-]+)\.{NAMESPACE}:(\d+)|Service ([a-z-]+), port (\d+)", notes)
    assert {(url or name, int(of_url or port)) for url, of_url, name, port in named} <= services
    deployments = {each["metadata"]["name"]: each for each in of_kind(text, "Deployment")}
    for name, port in re.findall(r"port-forward deployment/(\S+) (\d+)", notes):
        (container,) = deployments[name]["spec"]["template"]["spec"]["containers"]
        assert int(port) in {each["containerPort"] for each in container["ports"]}
    assert set(re.findall(r"deployment/(\S+)", notes)) <= deployments.keys()
    (selector,) = re.findall(r"-l app.kubernetes.io/instance=(\S+)", notes)
    assert all(each["metadata"]["labels"]["app.kubernetes.io/instance"] == selector for each in deployments.values())
