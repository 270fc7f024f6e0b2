"""The Helm chart, rendered by a real Helm: golden manifests, Kubernetes' schemas, settings that the services take, and
values that are refused.

`GOLDEN=write pytest tests/integration/test_chart.py` writes the manifests anew: review the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from siddes_telemetry.cli.auth_settings import authentication_problems
from siddes_telemetry.cli.commands.services import MAX_DRAIN_DELAY_S
from siddes_telemetry.cli.services.runtime import STOP_S
from siddes_telemetry.cli.settings import SECRETS
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.web.readiness import CHECK_DEADLINE_S
from tests.infrastructure.manifests import Manifests
from tests.product.chart import (
    CASES,
    CHART,
    FILES,
    PREFIX,
    VALUES,
    Refused,
    RenderedPod,
    lint,
    objects,
    of_kind,
    ours,
    pods,
    rendered,
    values_of,
)
from tests.product.deploy_files import DEPLOY

pytestmark = pytest.mark.servers

KAFKA = {
    "KAFKA", "KAFKA_SECURITY", "KAFKA_CA_FILE", "KAFKA_CERT_FILE", "KAFKA_KEY_FILE", "KAFKA_KEY_PASSWORD_FILE",
    "KAFKA_SASL", "KAFKA_USER", "KAFKA_PASSWORD_FILE", "KAFKA_TOKEN_URL", "KAFKA_CLIENT_ID", "KAFKA_CLIENT_SECRET_FILE",
    "KAFKA_SCOPE",
}  # fmt: skip
CLICKHOUSE = {"CLICKHOUSE", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD_FILE", "CLICKHOUSE_CA_FILE", "RETENTION_DAYS"}
VIEWERS = {
    "ENABLED", "ORIGINS", "RATE", "JWT_SECRET_FILE", "JWT_KEY_FILE", "JWT_JWKS_URL", "JWT_ALGORITHM", "JWT_ISSUER",
    "JWT_AUDIENCE", "JWT_CLAIM", "JWT_LEEWAY", "SESSION_COOKIE", "AUTH_URL", "AUTH_FIELD", "VIEWER_KEY_FILE",
}  # fmt: skip
ALL = {"LOG_LEVEL", "SECRETS_AS_GIVEN", "EVENTS"}
NEEDED = {
    "gateway": ALL | KAFKA | VIEWERS | {"TOPIC", "PARTITIONS"},
    "consumer": ALL | KAFKA | CLICKHOUSE | {"TOPIC", "GROUP"},
    "summary": ALL | CLICKHOUSE | VIEWERS,
    "migrate": ALL | KAFKA | CLICKHOUSE | {"TOPIC", "PARTITIONS", "REPLICATION", "CLUSTER"},
}
NEEDS = {"gateway": ("kafka",), "consumer": ("kafka", "clickhouse"), "summary": ("clickhouse",), "migrate": ()}
SILENT_BROKER_S = (
    17.0  # of three; docs/operations.md: 11 to 12 s to new leaders, and 5 s until consumers have caught up
)


@pytest.fixture(scope="module")
def renderings(helm: Path) -> dict[str, str]:
    return {case: rendered(helm, values_of(case)) for case in CASES}


@pytest.fixture(params=CASES)
def rendering(request: pytest.FixtureRequest, renderings: dict[str, str]) -> str:
    return renderings[request.param]


@pytest.mark.parametrize("case", CASES)
def test_a_rendering_is_the_golden_one(case: str, renderings: dict[str, str]) -> None:
    golden = VALUES / f"{case}.yaml"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(renderings[case])
    assert renderings[case] == golden.read_text(), (
        "GOLDEN=write pytest tests/integration/test_chart.py, and read the diff"
    )


def test_kubernetes_knows_every_field(rendering: str, manifests: Manifests) -> None:
    assert manifests.faults(rendering) == []


@pytest.mark.parametrize("case", CASES)
def test_lint_has_nothing_to_say(case: str, helm: Path) -> None:
    lint(helm, values_of(case))


def test_no_secret_is_rendered(rendering: str) -> None:
    assert of_kind(rendering, "Secret") == []
    for pod in pods(rendering):
        variables = {each["name"] for each in pod.container.get("env", ())}
        assert not {name for name in variables if re.search("(PASSWORD|SECRET|VIEWER_KEY)$", name)}
        urls = [value for name, value in pod.settings.items() if name == "CLICKHOUSE" or name.endswith("_URL")]
        assert not [url for url in urls if "@" in url]


def test_every_pod_is_confined(rendering: str) -> None:
    for pod in pods(rendering):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False  # SIDDES_TELEMETRY_GATEWAY_PORT=tcp://... is no setting
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = pod.container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        assert set(resources["limits"]) == {"memory"}


def test_pods_are_users_of_their_images_unless_a_platform_chooses(renderings: dict[str, str]) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = int(re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE)[-1])
    for pod in ours(renderings["minimal"]).values():
        assert {pod.spec["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    for pod in ours(renderings["mtls"]).values():
        assert pod.spec["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}


def test_a_service_has_the_settings_that_it_needs_and_no_others(renderings: dict[str, str]) -> None:
    seen: dict[str, set[str]] = {}
    for rendering in renderings.values():
        for component, pod in ours(rendering).items():
            seen.setdefault(component, set()).update(pod.settings)
    assert seen == NEEDED
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for component in NEEDED:
        names = {name.removeprefix(PREFIX) for name in compose[component]["environment"]}
        assert {f"{name}_FILE" if name.lower() in set(SECRETS) - {"clickhouse"} else name for name in names} <= seen[
            component
        ]


def test_one_half_of_migrate_has_the_settings_of_that_half(
    helm: Path, tmp_path: Path, renderings: dict[str, str]
) -> None:
    topics = ours(renderings["mtls"])["migrate"]
    store = ours(rendered(helm, values_of("minimal"), written(tmp_path, {"migrate": {"only": "store"}})))["migrate"]
    assert (topics.container["args"], store.container["args"]) == (["migrate", "--topics"], ["migrate", "--store"])
    assert "CLICKHOUSE" not in topics.settings
    assert not store.settings.keys() & KAFKA
    both = {"TOPIC", "PARTITIONS", "RETENTION_DAYS"}
    assert both <= topics.settings.keys() & store.settings.keys()


def test_the_services_take_the_settings(rendering: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for component, pod in ours(rendering).items():
        with monkeypatch.context() as environment:
            for name, value in put_in_place(pod, tmp_path / component).items():
                environment.setenv(PREFIX + name, value)
            assert unknown_variables() == []
            viewers = component in ("gateway", "summary")
            settings = load_settings(
                needs=NEEDS[component], problems_of=authentication_problems if viewers else lambda _: ()
            )
            assert not settings.debug
            if viewers:
                assert settings.jwt_secret or settings.jwt_key_file or settings.jwt_jwks_url or settings.auth_url


def test_every_file_that_a_setting_names_is_mounted_as_a_part_of_one_directory(rendering: str) -> None:
    for pod in ours(rendering).values():
        named = {value for value in pod.settings.values() if value.startswith("/")}
        assert named == {f"{FILES}/{name}" for name in pod.files}
        mounts = {each["name"]: each for each in pod.container["volumeMounts"]}
        assert not [each for each in mounts.values() if "subPath" in each]  # whose content is never replaced
        assert ("files" in mounts) == bool(named)
        assert not named or (mounts["files"]["mountPath"], mounts["files"]["readOnly"]) == (FILES, True)
        assert mounts["tmp"]["mountPath"] == "/tmp"


def test_each_service_logs_in_as_itself(renderings: dict[str, str]) -> None:
    found = ours(renderings["everything"])
    for component, pod in found.items():
        for name, secret in (("kafka-password", "kafka-users"), ("clickhouse-password", "clickhouse-users")):
            assert pod.files.get(name, ("secret", secret, component)) == ("secret", secret, component)
        users = {pod.settings[name] for name in ("KAFKA_USER", "CLICKHOUSE_USER") if name in pod.settings}
        assert users == {component}
    assert {name for name, pod in found.items() if "clickhouse-password" in pod.files} == {
        "consumer",
        "summary",
        "migrate",
    }


def test_probes_are_those_of_the_admin_port_and_survive_the_death_of_a_broker(rendering: str) -> None:
    for component, pod in ours(rendering).items():
        if component == "migrate":
            continue
        ports = {each["name"]: each["containerPort"] for each in pod.container["ports"]}
        assert f"--admin-port={ports['admin']}" in pod.container["args"]
        assert component == "consumer" or f"--port={ports['http']}" in pod.container["args"]
        probes = {name: pod.container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
        paths = {name: (probe["httpGet"]["path"], probe["httpGet"]["port"]) for name, probe in probes.items()}
        assert paths == {
            "startup": ("/healthz", "admin"),
            "liveness": ("/healthz", "admin"),
            "readiness": ("/readyz", "admin"),
        }
        ready = probes["readiness"]
        assert ready["timeoutSeconds"] > CHECK_DEADLINE_S
        assert ready["periodSeconds"] * (ready["failureThreshold"] - 1) > SILENT_BROKER_S


def test_a_pod_has_the_time_that_a_stop_takes(rendering: str) -> None:
    for component, pod in ours(rendering).items():
        if component == "migrate":
            continue
        options = [each.partition("=")[::2] for each in pod.container["args"] if "=" in each]
        delay = int(dict(options).get("--drain-delay", "0"))
        assert delay <= MAX_DRAIN_DELAY_S
        assert pod.spec["terminationGracePeriodSeconds"] == delay + 30 > delay + STOP_S


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


def test_a_hook_needs_nothing_that_is_made_after_it(renderings: dict[str, str], helm: Path, tmp_path: Path) -> None:
    for rendering in renderings.values():
        made = {each["metadata"]["name"] for each in of_kind(rendering, "ServiceAccount")}
        for job in of_kind(rendering, "Job"):
            assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert job["spec"]["template"]["spec"].get("serviceAccountName") not in made
    off = written(tmp_path, {"migrate": {"enabled": False}})
    assert not of_kind(rendered(helm, values_of("minimal"), off), "Job")


def test_the_admin_port_is_for_prometheus_alone_and_the_public_one_for_who_is_named(renderings: dict[str, str]) -> None:
    def sources(case: str, component: str, port: str) -> list[Any]:
        (policy,) = [
            each
            for each in of_kind(renderings[case], "NetworkPolicy")
            if each["metadata"]["name"].endswith(f"-{component}")
        ]
        rules = [rule for rule in policy["spec"].get("ingress", ()) if {"port": port} in rule["ports"]]
        return [peer for rule in rules for peer in rule.get("from", ["anybody"])]

    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    for component in ("gateway", "consumer", "summary"):
        assert sources("minimal", component, "admin") == [monitoring]
        assert sources("mtls", component, "admin") == []
    assert sources("minimal", "gateway", "http") == ["anybody"]
    assert sources("minimal", "consumer", "http") == []
    named = sources("everything", "gateway", "http")
    assert named[0] == ingress
    own = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in named[1:]]
    assert own == ["proxy", "test"]


def test_a_workload_may_connect_to_what_it_needs(renderings: dict[str, str]) -> None:
    def ports(component: str) -> set[Any]:
        (policy,) = [
            each
            for each in of_kind(renderings["everything"], "NetworkPolicy")
            if each["metadata"]["name"].endswith(f"-{component}")
        ]
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert ports("gateway") == {53, 9093, 443}
    assert ports("consumer") == {53, 9093, 8443}
    assert ports("summary") == {53, 8443, 443}
    assert ports("migrate") == {53, 9093, 8443}
    assert ports("proxy") == {53, "http"}


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/api/telemetry", "gateway"),
        ("POST", "/api/telemetry/ingest", "gateway"),
        ("POST", "/api/telemetry/batch", "gateway"),
        ("DELETE", "/api/telemetry", "gateway"),
        ("OPTIONS", "/api/telemetry/summary", "gateway"),
        ("GET", "/api/telemetry", "summary"),
        ("HEAD", "/api/telemetry", "summary"),
        ("GET", "/api/telemetry/series", "summary"),
        ("PUT", "/api/telemetry", "summary"),
        ("GET", "/api/auth/me", "summary"),
        ("GET", "/openapi.json", "summary"),
        ("GET", "/api/telemetryx", None),
        ("GET", "/metrics", None),
    ],
)
def test_a_route_tells_methods_apart(renderings: dict[str, str], method: str, path: str, service: str | None) -> None:
    (route,) = of_kind(renderings["everything"], "HTTPRoute")
    matches = []
    for rule in route["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            kind, prefix = match["path"]["type"], match["path"]["value"]
            fits = path == prefix or (kind == "PathPrefix" and path.startswith(f"{prefix}/"))
            if fits and match.get("method", method) == method:
                matches.append((kind == "Exact", len(prefix), "method" in match, backend["name"], backend["port"]))
    # Gateway API: the more specific path goes first, then a match with a method.
    found = max(matches)[3:] if matches else None
    services = {
        each["metadata"]["name"]: each["spec"]["ports"][0]["port"]
        for each in of_kind(renderings["everything"], "Service")
    }
    assert found == (None if service is None else (f"counts-{service}", services[f"counts-{service}"]))


def test_the_dashboard_is_that_of_the_project(helm: Path, tmp_path: Path) -> None:
    text = rendered(helm, values_of("minimal"), written(tmp_path, {"dashboard": {"enabled": True}}))
    (dashboard,) = [each for each in of_kind(text, "ConfigMap") if each["metadata"]["name"].endswith("-dashboard")]
    (content,) = dashboard["data"].values()
    assert json.loads(content) == json.loads((DEPLOY / "grafana/siddes-telemetry.json").read_text())


def refusals(helm: Path, folder: Path, case: str, values: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as refused:
        rendered(helm, *((values_of(case),) if case else ()), written(folder, values))
    return re.findall(r"^- (.*)$", str(refused.value), re.MULTILINE)


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
]


@pytest.fixture(scope="module")
def said(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The problems that are named, of each of CANNOT_BE."""
    folder = tmp_path_factory.mktemp("values")
    return [refusals(helm, folder, case, values) for case, values, _ in CANNOT_BE]


def test_what_cannot_be_is_refused_with_each_problem(said: list[list[str]]) -> None:
    for found, (_, _, problems) in zip(said, CANNOT_BE, strict=True):
        assert len(found) == len(problems), found
        assert {one for one in problems if any(each.startswith(one) for each in found)} == problems
        assert "readable by everybody" not in "".join(found)


def test_every_problem_of_the_templates_is_tried(said: list[list[str]]) -> None:
    templates = re.findall(r'append \$problems (?:\(printf )?"([^"]*)"', (CHART / "templates/_checks.tpl").read_text())
    assert len(templates) > 20
    patterns = {each: re.sub("%[sd]", ".*", re.escape(each)) for each in templates}
    found = [problem for problems in said for problem in problems]
    assert [each for each in templates if not any(re.fullmatch(patterns[each], problem) for problem in found)] == []


def written(folder: Path, values: dict[str, Any]) -> Path:
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    return file


def put_in_place(pod: RenderedPod, folder: Path) -> dict[str, str]:
    """The pod's settings, with its files in this folder. What they hold is of the form of any secret."""
    folder.mkdir()
    for name in pod.files:
        (folder / name).write_text("0123456789abcdef0123456789abcdef\n")
    return {name: value.replace(FILES, str(folder)) for name, value in pod.settings.items()}
