"""Each alert of deploy/prometheus fires on series that deserve it, and on no others: alert_cases.yaml has them.

One run of `promtool test rules` for all cases.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import yaml

from tests.product import alerts
from tests.product.alerts import RULES

EXAMPLE = RULES.with_name("prometheus.yaml")
CASES, GROUPS = alerts.cases(), alerts.groups()
TARGETS = {
    f"{service}{number}": f'job="siddes-{service}",instance="{service}-{number or 1}:{port}"'
    for service, port in (("gateway", 9090), ("consumer", 9091), ("summary", 9092), ("up", 9090))
    for number in ("", 2)
}


def test_the_rules_and_the_example_of_a_configuration_are_valid(promtool: Path) -> None:
    checked = subprocess.run([promtool, "check", "config", EXAMPLE], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(alerts.rules())} rules found" in checked.stdout


def test_alerts_fire_on_what_deserves_it_and_on_nothing_else(promtool: Path, tmp_path: Path) -> None:
    files = [write_tests(alert, tmp_path) for alert in CASES]
    tested = subprocess.run([promtool, "test", "rules", *files], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def write_tests(alert: str, folder: Path) -> Path:
    """The file of an alert's tests. They get this alert and what it is recorded from: all rules would take minutes."""
    [group] = [group for group in GROUPS if any(rule.get("alert") == alert for rule in group["rules"])]
    rules = [rule for rule in group["rules"] if rule.get("alert", alert) == alert]
    (folder / f"{alert}.rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": alert, "rules": rules}]}))
    tests = {
        "rule_files": [f"{alert}.rules.yaml"],
        "evaluation_interval": "1m",
        "tests": list(each_test(alert, rules[-1])),
    }
    file = folder / f"{alert}.yaml"
    file.write_text(yaml.safe_dump(tests))
    return file


def each_test(alert: str, rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields each case as promtool's test. An alert is seen in ALERTS, which each evaluation writes."""
    for kind, each in CASES[alert].items():
        for what, case in each.items():
            series = {Template(name).substitute(TARGETS): values for name, values in case["series"].items()}
            yield {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [(never_fired if kind == "silent" else fires)(alert, what, case)],
                "alert_rule_test": [annotated(alert, case, rule)] if "says" in case else [],
            }


def fires(alert: str, what: str, case: dict[str, Any]) -> dict[str, Any]:
    firing = f'group(ALERTS{{alertname="{alert}",alertstate="firing"}})  # {what}'
    return {"expr": firing, "eval_time": case["at"], "exp_samples": [{"labels": "{}", "value": 1}]}


def never_fired(alert: str, what: str, case: dict[str, Any]) -> dict[str, Any]:
    """From a minute on, or from the beginning, until `at`."""
    minutes = int(case["at"].removesuffix("m")) - int(case.get("from", "0m").removesuffix("m"))
    fired = f'group(max_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[{minutes}m]))  # {what}'
    return {"expr": fired, "eval_time": case["at"], "exp_samples": []}


def annotated(alert: str, case: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    """The text of an alert that asks Prometheus for more than its own labels."""
    annotations = {"description": case["says"], "runbook": rule["annotations"]["runbook"], "summary": case["summary"]}
    expected = {"exp_labels": case["labels"] | rule["labels"], "exp_annotations": annotations}
    return {"alertname": alert, "eval_time": case["at"], "exp_alerts": [expected]}
