"""The rules of deploy/prometheus, and the cases in which their alerts are tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yaml"
CASES = ROOT / "tests/integration/alert_cases.yaml"


def groups() -> list[dict[str, Any]]:
    """The groups of rules, as they are in the file."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    """The rules of all groups."""
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The rules that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def cases() -> dict[str, dict[str, dict[str, Any]]]:
    """By alert, `fires` or `silent`, and what happens. Texts only: 0x30 is no number there."""
    found: dict[str, dict[str, dict[str, Any]]] = yaml.load(CASES.read_text(), Loader=yaml.BaseLoader)
    return found
