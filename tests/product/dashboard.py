"""The Grafana dashboard's expressions, as Grafana sends them to Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "deploy/grafana/siddes-telemetry.json"
RATE_INTERVAL = "4s"  # of Grafana's $__rate_interval: four scrapes
RANGE = "5m"  # of its $__range: all of a test


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel. `name`: panel and legend."""

    name: str
    expression: str


def queries() -> Iterator[Query]:
    """Yields all of them, with Grafana's variables replaced."""
    for panel in json.loads(FILE.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield Query(f"{panel['title']} / {target['legendFormat']}", _replaced(target["expr"]))


def metrics() -> set[str]:
    """Returns the names of our metrics that the dashboard shows."""
    return {name for query in queries() for name in re.findall(r"\bsiddes_[a-z_]+", query.expression)}


def _replaced(expression: str) -> str:
    replaced = expression.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", RANGE)
    assert "$" not in replaced, f"a variable that nobody replaces: {expression}"
    return replaced
