"""What deploy/compose.yaml promises: every container confined, no secret that is known before it is made."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
SECRETS = {"CLICKHOUSE_PASSWORD", "SIDDES_TELEMETRY_JWT_SECRET"}


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
    secrets = [(name, rest) for name, rest in used if re.search("PASSWORD|SECRET|KEY|TOKEN", name)]
    assert {name for name, _ in secrets} == SECRETS
    assert {rest for _, rest in secrets} == {":?run deploy/make-secrets"}


def made(folder: Path) -> dict[str, str]:
    """The secrets that the script makes in a folder of its own, if there are none."""
    subprocess.run([copy(DEPLOY / "make-secrets", folder)], check=True, cwd="/")
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def test_secrets_are_made_once_at_random_and_for_their_owner_only(tmp_path: Path) -> None:
    first = made(tmp_path)
    assert first.keys() == SECRETS
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in first.values())
    assert len(set(first.values())) == len(first)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert made(tmp_path) == first
    (tmp_path / ".env").unlink()
    assert set(made(tmp_path).values()).isdisjoint(first.values())


def test_secrets_are_added_to_settings_that_are_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLICKHOUSE_PASSWORD=mine\nPORT=8081")
    settings = made(tmp_path)
    assert settings.keys() == {*SECRETS, "PORT"}
    assert (settings["CLICKHOUSE_PASSWORD"], settings["PORT"]) == ("mine", "8081")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert made(tmp_path) == settings
