"""The chart's pods: confined, each with the settings and files that it needs, probes and the time to stop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from siddes_telemetry.cli.auth_settings import authentication_problems
from siddes_telemetry.cli.commands.service_options import MAX_DRAIN_DELAY_S
from siddes_telemetry.cli.services.runtime import STOP_S
from siddes_telemetry.cli.settings import SECRETS
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.web.readiness import CHECK_DEADLINE_S
from tests.product.chart import (
    FILES,
    PREFIX,
    RenderedPod,
    ours,
    pods,
    rendered,
    values_of,
    written,
)
from tests.product.deploy_files import DEPLOY

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


def test_every_pod_has_the_labels_and_annotations_of_all(renderings: dict[str, str]) -> None:
    found = [pod.metadata for pod in pods(renderings["mtls"])]
    assert len(found) > 5
    for metadata in found:
        assert metadata["labels"]["team"] == "counts"
        assert metadata["annotations"]["sidecar.example/inject"] == "false"


def test_pods_are_users_of_their_images_unless_a_platform_chooses(renderings: dict[str, str]) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = int(re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE)[-1])
    for pod in ours(renderings["minimal"]).values():
        assert {pod.spec["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    (proxy,) = [pod for pod in pods(renderings["everything"]) if pod.component == "proxy"]
    assert (proxy.spec["securityContext"]["runAsUser"], proxy.spec["securityContext"]["runAsGroup"]) == (101, 101)
    for pod in pods(renderings["mtls"]):
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


def test_a_process_reads_a_value_as_it_was_written(helm: Path, tmp_path: Path) -> None:
    odd = "yes: $$a $(HOME) {{ b }} \"c\" 'd' # e\n- f: \\x\u00e9\U0001f600"
    values = {
        "clickhouse": {"cluster": odd, "login": {"user": "0x1F"}},
        "auth": {"jwt": {"claim": odd, "audience": "on", "issuer": "1e3"}, "session": {"field": "null"}},
        "kafka": {"group": odd, "topic": "123"},
    }
    found = ours(rendered(helm, values_of("minimal"), written(tmp_path, values)))

    def read(component: str, setting: str) -> str:
        """As Kubernetes gives it to the process: $$ is $, and $(NAME) stands for a variable."""
        value = found[component].settings[setting]
        assert "$(" not in value.replace("$$", "")
        return value.replace("$$", "$")

    assert read("migrate", "CLUSTER") == read("gateway", "JWT_CLAIM") == read("consumer", "GROUP") == odd
    assert read("consumer", "CLICKHOUSE_USER") == "0x1F"
    assert [read("summary", name) for name in ("JWT_AUDIENCE", "JWT_ISSUER", "AUTH_FIELD")] == ["on", "1e3", "null"]
    assert read("consumer", "TOPIC") == "123"


def test_a_variable_of_a_component_replaces_that_of_all(helm: Path, tmp_path: Path) -> None:
    def variables(**values: str) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in values.items()]

    of_one = {component: {"extraEnv": variables(A="2")} for component in ("gateway", "proxy")}
    values: dict[str, Any] = {
        "extraEnv": variables(A="1", B="1"),
        **of_one,
        "proxy": {"enabled": True, **of_one["proxy"]},
    }
    text = rendered(helm, values_of("minimal"), written(tmp_path, values))
    for pod in pods(text):
        given = [each for each in pod.container.get("env", ()) if not each["name"].startswith(PREFIX)]
        wanted = {"test": [], **dict.fromkeys(of_one, variables(B="1", A="2"))}
        assert given == wanted.get(pod.component, variables(A="1", B="1")), pod.component


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


def put_in_place(pod: RenderedPod, folder: Path) -> dict[str, str]:
    """The pod's settings, with its files in this folder. What they hold is of the form of any secret."""
    folder.mkdir()
    for name in pod.files:
        (folder / name).write_text("0123456789abcdef0123456789abcdef\n")
    return {name: value.replace(FILES, str(folder)) for name, value in pod.settings.items()}
