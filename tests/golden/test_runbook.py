"""docs/operations.md has each log event, halt, reason and metric of the code, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.clickhouse import errors as store_errors
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, OTHER_REGISTRY, ROWS_BEYOND, UNKNOWN_INTENT, UNREADABLE_HERE
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.store_retry import STORE_REASONS
from siddes_telemetry.web.auth.refusals import Refusal
from tests.product import alerts
from tests.product.runbook import PAGE

ROOT = Path(__file__).parents[2]
CODE = sorted(ROOT.glob("*/siddes_telemetry/**/*.py"))
LEVELS = {"warning", "error", "critical", "exception", "_warn_once"}
# Logged by other means than a call of LEVELS with the event as its first argument.
BY_OTHER_MEANS = {
    "kafka_password_in_clear_text",
    "kafka_token_in_clear_text",
    "library_warning",
    "lines_left_out",
    "log_lines_lost",
}
COMPOSED = {
    f"{server}_{what}" for server in ("kafka", "clickhouse") for what in ("secret_unusable", "tls_files_unusable")
}
CODE_WORD = re.compile(r"`([a-z_]+)`")
METRIC = re.compile(r"siddes_[a-z_]+")
HALTS = {
    halt.reason for halt in (ROWS_BEYOND, OFFSET_BEYOND, UNKNOWN_INTENT, OTHER_REGISTRY, *UNREADABLE_HERE.values())
}


def section(heading: str) -> str:
    _, found, rest = PAGE.read_text().partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def first_column(heading: str, *, column: int = 0) -> set[str]:
    """The words in a column of the first table of a section."""
    rows = [line.strip("|").split("|") for line in section(heading).splitlines() if line.startswith("|")]
    assert len(rows) > 2
    return {word for row in rows for word in CODE_WORD.findall(row[column])}


def constants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def logged_events(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            event = node.args[0] if node.args else None
            if isinstance(event, ast.Constant) and isinstance(event.value, str):
                yield event.value


def test_every_event_of_a_warning_or_an_error_is_in_the_runbook() -> None:
    trees = [ast.parse(file.read_text()) for file in CODE]
    assert {text for tree in trees for text in constants(tree)} >= BY_OTHER_MEANS | {"_secret_unusable", "_tls_files_"}
    events = BY_OTHER_MEANS | COMPOSED | {event for tree in trees for event in logged_events(tree)}
    documented = first_column("Log lines")
    assert (events - documented, documented - events) == (set(), set())


def test_every_halt_is_in_the_runbook() -> None:
    assert first_column("When a partition halts") == HALTS


def test_every_word_of_readiness_is_in_the_runbook() -> None:
    trees = [ast.parse(file.read_text()) for file in (ROOT / "consumer").rglob("*.py")]
    blocked = {
        node.value.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and ast.unparse(node.targets[0].value).endswith("blocked_by")
        and isinstance(node.value, ast.Constant)
    }
    assert "token_without_rows" in blocked
    assert {*HALTS, *STORE_REASONS, *blocked, "stalled"} <= first_column("Readiness", column=1)


def test_every_reason_of_the_store_is_in_the_runbook() -> None:
    assert first_column("Errors of the store") == set(store_errors.REASONS)


def test_every_reason_of_a_401_is_in_the_runbook() -> None:
    assert first_column("What a 401 means") == {refusal.name for refusal in Refusal}


def test_every_metric_is_in_a_rule_or_needs_no_alert() -> None:
    ours = metrics_of_the_code()
    documented = family_names(METRIC.findall(PAGE.read_text())) - {"siddes_telemetry"}
    assert documented - ours == set()
    no_alert = family_names(METRIC.findall(subsection("What needs no alert")))
    assert ours - family_names(METRIC.findall(alerts.RULES.read_text())) - no_alert == set()


def test_every_metric_of_the_rules_exists_with_its_labels() -> None:
    """The labels of selectors; `by` and `on` name labels of targets too. test_prometheus.py asks the real services."""
    selectors = {
        (name.removesuffix("_total").removesuffix("_count").removesuffix("_bucket"), label)
        for rule in alerts.rules()
        for name, labels in re.findall(r"(siddes_[a-z_]+)(?:\{([^}]*)\})?", rule["expr"])
        for label in re.findall(r"(\w+)[!=]", labels) or [""]
    }
    code = "\n".join(file.read_text() for file in CODE)
    assert {name for name, _ in selectors} - metrics_of_the_code() == set()
    declared = {label for label in (label for _, label in selectors) if label and label != "le"}
    assert {label for label in declared if f'"{label}"' not in code} == set()


def test_every_alert_has_a_row_and_every_row_an_alert() -> None:
    rows = dict(re.findall(r'<a id="\w+"></a>`(\w+)` \((\w+)\)', PAGE.read_text()))
    assert rows == {rule["alert"]: rule["labels"]["severity"] for rule in alerts.alerts()}
    anchors = set(re.findall(r'<a id="(\w+)"></a>', PAGE.read_text()))
    assert anchors == {alert.lower() for alert in rows}
    for rule in alerts.alerts():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}, rule["alert"]
        assert rule["labels"].keys() == {"severity"}, rule["alert"]
    assert set(rows.values()) == {"page", "ticket"}


def test_every_alert_is_tested_where_it_fires_and_where_it_is_silent() -> None:
    assert alerts.cases().keys() == {rule["alert"] for rule in alerts.alerts()}
    for alert, kinds in alerts.cases().items():
        assert kinds.keys() == {"fires", "silent"}, alert
        assert all(kinds.values()), alert


def metrics_of_the_code() -> set[str]:
    registry = CollectorRegistry()
    ConsumerMetrics(registry)
    names = {metric.name for metric in registry.collect()}
    for file in CODE:
        names |= {text for text in constants(ast.parse(file.read_text())) if METRIC.fullmatch(text)}
    return family_names(name for name in names if not name.endswith("_")) - {"siddes_telemetry"}


def family_names(names: Iterable[str]) -> set[str]:
    return {re.sub(r"_(total|count|bucket)$", "", name) for name in names}


def subsection(heading: str) -> str:
    _, found, rest = PAGE.read_text().partition(f"\n### {heading}\n")
    assert found, heading
    return rest.partition("\n#")[0]
