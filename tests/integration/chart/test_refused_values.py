"""Values that the chart refuses, each with its remedy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.product.chart import (
    CHART,
    Refused,
    rendered,
    values_of,
    written,
)


def refusals(helm: Path, folder: Path, case: str, values: dict[str, Any], **chart: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        rendered(helm, *((values_of(case),) if case else ()), written(folder, values), **chart)
    return re.findall(r"^- (.*)$", str(refused.value), re.MULTILINE)


def test_labels_by_which_pods_are_found_are_the_charts_own(helm: Path, tmp_path: Path) -> None:
    labels = {"app.kubernetes.io/name": "other", "team": "counts"}
    (problem,) = refusals(helm, tmp_path, "minimal", {"gateway": {"podLabels": labels}})
    assert problem.endswith("invalid propertyName 'app.kubernetes.io/name'")


def test_a_misspelt_value_is_refused_by_its_name(helm: Path, tmp_path: Path) -> None:
    problems = refusals(helm, tmp_path, "minimal", {"gatway": {}, "kafka": {"brokr": []}, "image": {"tag": 1}})
    assert sorted(problems) == [
        "at '': additional properties 'gatway' not allowed",
        "at '/image/tag': got number, want string",
        "at '/kafka': additional properties 'brokr' not allowed",
    ]


SECRET = {"secretName": "one"}
# Values that cannot be, and the beginning of each problem that is named.
CANNOT_BE: list[tuple[str, dict[str, Any], set[str]]] = [
    (
        "",
        {},
        {"image.repository: must be set", "kafka.brokers: must name", "clickhouse.hosts: must name", "auth: no viewer"},
    ),
    (
        "minimal",
        {
            "image": {"tag": "1", "digest": f"sha256:{'0' * 64}"},
            "auth": {"jwt": {"publicKey": {**SECRET, "configMapName": "two"}, "jwksUrl": "https://id.example"}},
            "kafka": {"ca": SECRET, "sasl": {"mechanism": "plain", "scope": "x"}},
            "clickhouse": {"ca": SECRET},
            "consumer": {"replicas": 9},
            "gateway": {"autoscaling": {"enabled": True, "minReplicas": 9}},
            "ingress": {"enabled": True},
            "httpRoute": {"enabled": True},
            "serviceAccount": {"create": False},
        },
        {
            "image: has a tag and a digest",
            "auth.jwt: has publicKey and jwksUrl",
            "auth.jwt.publicKey: has a secretName and a configMapName",
            "clickhouse.ca: needs clickhouse.tls",
            "kafka.ca: needs kafka.security",
            "kafka.sasl.mechanism: needs kafka.security",
            "kafka.sasl: tokenUrl and scope need",
            "kafka.login (of gateway): user and password.secretName must be set",
            "kafka.login (of consumer): user and password.secretName must be set",
            "kafka.login (of migrate): user and password.secretName must be set",
            "consumer.replicas: 9 consumers are more than the 8 partitions",
            "gateway.autoscaling: minReplicas is larger",
            "ingress.enabled: needs proxy.enabled",
            "ingress.hosts: must name",
            "httpRoute.parentRefs: must name",
            "serviceAccount: set create",
        },
    ),
    (
        "minimal",
        {
            "auth": {"jwt": {"algorithm": "RS256"}},
            "kafka": {"security": "sasl_plaintext", "login": {"user": "one", "clientId": "two"}},
            "gateway": {"kafka": {"certificate": SECRET}},
            "consumer": {"kafka": {"certificate": {"privateKeyPasswordKey": "password"}}},
            "migrate": {"only": "store"},
            "extraEnv": [
                {"name": "SIDDES_TELEMETRY_TOPIC", "value": "other"},
                {"name": "SIDDES_TELEMETRY_JWT_SECRET", "value": "readable by everybody"},
                {"name": "siddes_telemetry_viewer_key", "value": "readable by everybody"},
            ],
        },
        {
            "auth.jwt.algorithm: is that of publicKey or jwksUrl",
            "kafka.sasl.mechanism: must be set for kafka.security sasl_plaintext",
            "kafka.login (of gateway): a certificate needs kafka.security",
            "kafka.login (of consumer): certificate.privateKeyPasswordKey is of no use",
            *(f"kafka.login (of {each}): user and password need the mechanism" for each in ("gateway", "consumer")),
            *(f"kafka.login (of {each}): clientId and clientSecret need" for each in ("gateway", "consumer")),
            *(
                f"extraEnv (of {each}): SIDDES_TELEMETRY_TOPIC is set by other values"
                for each in ("gateway", "consumer", "migrate")
            ),
            *(
                f"extraEnv (of {each}): SIDDES_TELEMETRY_JWT_SECRET is a secret"
                for each in ("gateway", "consumer", "summary", "migrate")
            ),
            *(
                f"extraEnv (of {each}): siddes_telemetry_viewer_key is a secret"
                for each in ("gateway", "consumer", "summary", "migrate")
            ),
            *(
                f"extraEnv (of {each}): SIDDES_TELEMETRY_JWT_SECRET is set by other values"
                for each in ("gateway", "summary")
            ),
        },
    ),
    (
        "minimal",
        {"kafka": {"security": "sasl_ssl", "sasl": {"mechanism": "oauthbearer"}}, "migrate": {"enabled": False}},
        {
            "kafka.sasl.tokenUrl: must be set",
            "kafka.login (of gateway): clientId and clientSecret.secretName must be set",
            "kafka.login (of consumer): clientId and clientSecret.secretName must be set",
        },
    ),
    (
        "minimal",
        {"auth": {"jwt": {"algorithm": "HS256", "publicKey": {"configMapName": "keys"}}}},
        {"auth.jwt.algorithm: is that of publicKey or jwksUrl"},
    ),
    (
        "tokens",
        {
            "auth": {"session": {"url": "http://one:readable by everybody@app.example/me".replace(" ", "-")}},
            "kafka": {"sasl": {"tokenUrl": "https://two@id.example/token"}},
        },
        {"auth.session.url: has a user or a password", "kafka.sasl.tokenUrl: has a user or a password"},
    ),
]
WITHOUT_LINKS = {"proxy": {"enabled": True}, "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}


@pytest.fixture(scope="module")
def said(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The problems that are named, of each of CANNOT_BE."""
    folder = tmp_path_factory.mktemp("values")
    return [refusals(helm, folder, case, values) for case, values, _ in CANNOT_BE]


@pytest.fixture(scope="module")
def said_elsewhere(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The problems of a release's name, and of a chart whose links were dropped."""
    folder = tmp_path_factory.mktemp("chart")
    copy = folder / "siddes-telemetry"
    shutil.copytree(CHART, copy, ignore=lambda place, names: names if Path(place).name == "files" else [])
    named = [problem for name in ("1counts", "a.b") for problem in refusals(helm, folder, "minimal", {}, release=name)]
    return [*named, *refusals(helm, folder, "minimal", WITHOUT_LINKS, chart=copy)]


def test_a_release_without_a_name_for_services_or_without_its_files_is_refused(said_elsewhere: list[str]) -> None:
    beginnings = [each.split(" cannot ")[0].split(" of the chart")[0] for each in said_elsewhere]
    files = ["files/nginx.conf", "files/rules.yaml", "files/siddes-telemetry.json"]
    assert beginnings == ["the release's name: 1counts", "the release's name: a.b", *files]


def test_what_cannot_be_is_refused_with_each_problem(said: list[list[str]]) -> None:
    for found, (_, _, problems) in zip(said, CANNOT_BE, strict=True):
        assert len(found) == len(problems), found
        assert {one for one in problems if any(each.startswith(one) for each in found)} == problems
        assert not re.search("readable.by.everybody", "".join(found))


def test_every_problem_of_the_templates_is_tried(said: list[list[str]], said_elsewhere: list[str]) -> None:
    templates = re.findall(r'append \$problems (?:\(printf )?"([^"]*)"', (CHART / "templates/_checks.tpl").read_text())
    assert len(templates) > 20
    patterns = {each: re.sub("%[sd]", ".*", re.escape(each)) for each in templates}
    found = [problem for problems in [*said, said_elsewhere] for problem in problems]
    assert [each for each in templates if not any(re.fullmatch(patterns[each], problem) for problem in found)] == []
