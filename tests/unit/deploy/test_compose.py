"""deploy/compose.yaml: every container confined, no secret known beforehand, a ClickHouse user for each service."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.product.deploy_files import DEPLOY, make_secrets, users_in
from tests.product.documented_grants import documented_grants

COMPOSE = DEPLOY / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
USERS = ("migrate", "consumer", "summary", "operator")
PASSWORDS = {f"CLICKHOUSE_{user.upper()}_PASSWORD" for user in USERS}
HASHES = {f"CLICKHOUSE_{user.upper()}_SHA256" for user in USERS}
JWT_SECRET = "SIDDES_TELEMETRY_JWT_SECRET"
MADE = {*PASSWORDS, *HASHES, JWT_SECRET, "CLICKHOUSE_CLUSTER_SECRET"}
OPERATOR = ("verify", "verify --repair", "reset-offsets", "dead-letters --set-aside", "purge")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_runs_without_capabilities_and_gains_none(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert not service.get("privileged")
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"proxy": ["127.0.0.1:${PORT:-8080}:8080"]}


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE.read_text())
    secrets = [(name, rest) for name, rest in used if re.search("PASSWORD|SECRET|KEY|TOKEN|SHA256", name)]
    assert {name for name, _ in secrets} == {*PASSWORDS, *HASHES, JWT_SECRET}
    assert {rest for _, rest in secrets} == {":?run deploy/make-secrets"}


def test_a_service_is_its_own_clickhouse_user_and_knows_no_other_secret() -> None:
    secrets = {
        name: set(re.findall(r"\$\{(\w+):\?", str(service.get("environment", ""))))
        for name, service in SERVICES.items()
    }
    users = {
        name: service.get("environment", {}).get("SIDDES_TELEMETRY_CLICKHOUSE_USER")
        for name, service in SERVICES.items()
    }
    assert {name: user for name, user in users.items() if user} == {user: user for user in USERS}
    of_user = {user: {f"CLICKHOUSE_{user.upper()}_PASSWORD"} for user in USERS}
    assert {name: names for name, names in secrets.items() if names} == {
        **of_user,
        "summary": {*of_user["summary"], JWT_SECRET},
        "gateway": {JWT_SECRET},
        "clickhouse": HASHES,
    }


@pytest.mark.parametrize(
    ("file", "replicated"), [("clickhouse-users.xml", False), ("cluster/clickhouse-users.xml", True)]
)
def test_clickhouses_users_have_the_documented_grants_and_no_others(file: str, replicated: bool) -> None:
    documented = documented_grants("telemetry", replicated=replicated)
    wanted = {user: set(documented[user]) for user in USERS if user != "operator"}
    wanted["operator"] = {grant for command in OPERATOR for grant in documented[command]}
    assert users_in(DEPLOY / file) == wanted


@pytest.mark.parametrize("file", ["clickhouse-users.xml", "cluster/clickhouse-users.xml"])
def test_a_user_without_password_is_in_the_container_alone_and_the_summary_reads_only(file: str) -> None:
    root = ET.parse(DEPLOY / file).getroot()
    networks = root.find("users/default/networks")
    assert networks is not None
    assert networks.get("replace") == "replace"
    assert [ip.text for ip in networks] == ["127.0.0.1", "::1"]
    for user in USERS:
        password = root.find(f"users/{user}/password_sha256_hex")
        assert password is not None
        assert password.get("from_env") == f"CLICKHOUSE_{user.upper()}_SHA256"
    assert root.findtext("users/summary/profile") == "read_only"
    assert root.findtext("profiles/read_only/readonly") == "2"


def test_secrets_are_made_once_at_random_and_for_their_owner_only(tmp_path: Path) -> None:
    first = make_secrets(tmp_path)
    assert first.keys() == MADE
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in first.values())
    assert len(set(first.values())) == len(first)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert make_secrets(tmp_path) == first
    (tmp_path / ".env").unlink()
    assert set(make_secrets(tmp_path).values()).isdisjoint(first.values())


def test_secrets_are_added_to_settings_that_are_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "CLICKHOUSE_PASSWORD=of the release before\nCLICKHOUSE_SUMMARY_PASSWORD=mine\nPORT=8081"
    )
    settings = make_secrets(tmp_path)
    assert settings.keys() == {*MADE, "CLICKHOUSE_PASSWORD", "PORT"}
    assert (settings["CLICKHOUSE_SUMMARY_PASSWORD"], settings["PORT"]) == ("mine", "8081")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert make_secrets(tmp_path) == settings


def test_hashes_follow_the_passwords(tmp_path: Path) -> None:
    before = make_secrets(tmp_path)
    file = tmp_path / ".env"
    file.write_text(file.read_text().replace(before["CLICKHOUSE_SUMMARY_PASSWORD"], "another"))
    after = make_secrets(tmp_path)
    assert {name for name in MADE if before[name] != after[name]} == {
        "CLICKHOUSE_SUMMARY_PASSWORD",
        "CLICKHOUSE_SUMMARY_SHA256",
    }
    for user in USERS:
        password, digest = after[f"CLICKHOUSE_{user.upper()}_PASSWORD"], after[f"CLICKHOUSE_{user.upper()}_SHA256"]
        assert hashlib.sha256(password.encode()).hexdigest() == digest
