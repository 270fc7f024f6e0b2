"""`siddes-telemetry plan`, and the constants of the product that it repeats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from siddes_telemetry.cli.capacity import formulas, measured
from siddes_telemetry.cli.capacity.advice import make_plan
from siddes_telemetry.cli.capacity.workload import MAX_RETENTION_DAYS, Workload
from siddes_telemetry.cli.embedded import FLUSH_POLICY
from siddes_telemetry.cli.main import app
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from siddes_telemetry.schemas.viewer import pseudonym
from tests.unit.schemas.shipped import REGISTRY

COUNTS_DDL = Path(ddl.__file__).parent / "migrations" / "0002_counts.sql"
REQUIRED = ("--events-per-second", "1000", "--viewers", "100000", "--retention-days", "30")


def plan(*more: str) -> Any:
    return CliRunner().invoke(app, ["plan", *REQUIRED, *more])


def limits(setting: str) -> tuple[int, int]:
    schema = Settings.model_json_schema()["properties"][setting]
    return schema["minimum"], schema["maximum"]


def test_bounds_are_those_of_the_settings() -> None:
    assert limits("partitions") == (1, formulas.MAX_PARTITIONS)
    assert Settings.model_fields["partitions"].default == formulas.DEFAULT_PARTITIONS
    assert limits("retention_days") == (1, MAX_RETENTION_DAYS)
    assert FLUSH_POLICY.few_age_s == measured.EMBEDDED_BLOCK_S
    assert f"index_granularity = {measured.GRANULE_ROWS}," in COUNTS_DDL.read_text()


def test_a_batch_in_the_log_is_no_larger_than_reckoned() -> None:
    names = sorted(REGISTRY.names, key=len, reverse=True)
    for viewer, pseudonyms in (("1" * measured.VIEWER_CHARS, False), (pseudonym("viewer", b"k" * 32), True)):
        assert len(viewer) == (measured.PSEUDONYM_CHARS if pseudonyms else measured.VIEWER_CHARS)
        for rows in range(1, len(names) + 1):
            value = encode_lines(viewer, dict.fromkeys(names[:rows], 50), format_time(1_795_000_000_000))
            headers = encode_headers(REGISTRY.revision, value, [(b"k" * 16, rows)])
            least = len(value) + sum(len(name) + len(text) for name, text in headers)
            reckoned = formulas.batch_log_bytes(Workload(1, 1, 1, rows, rows, pseudonyms))
            assert least < reckoned < least + 150  # a record batch and its framing


def test_the_first_line_says_whether_embedded_mode_is_enough() -> None:
    assert plan("--events-per-second", "10").stdout.startswith("Embedded mode is enough")
    assert plan("--events-per-batch", "10").stdout.startswith("Embedded mode should be enough")  # so many rows
    assert plan("--events-per-batch", "2").stdout.startswith("Embedded mode is not enough: 500 batches a second")


def test_the_text_and_json_say_the_same() -> None:
    said = json.loads(plan("--json", "--events-per-batch", "2").stdout)
    made = make_plan(Workload(1000, 100_000, 30, 2, 2))
    assert {figure["name"]: figure["value"] for figure in said["figures"]} == {
        figure.name: figure.value for figure in made.figures
    }
    text = plan("--events-per-batch", "2").stdout
    assert all(figure.name in text for figure in made.figures)
    assert all(line in text for line in made.settings)


def test_a_batch_has_no_more_rows_than_different_events() -> None:
    assert json.loads(plan("--json", "--events-per-batch", "500").stdout)["workload"]["rows_per_batch"] == len(
        REGISTRY.events
    )
    assert json.loads(plan("--json", "--rows-per-batch", "1").stdout)["workload"]["rows_per_batch"] == 1
    refused = plan("--events-per-batch", "2", "--rows-per-batch", "3")
    assert refused.exit_code == 2
    assert "a batch has 2 different events at most" in refused.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--events-per-second", "0"),
        ("--viewers", "0"),
        ("--retention-days", "0"),
        ("--retention-days", str(MAX_RETENTION_DAYS + 1)),
        ("--events-per-batch", str(MAX_BATCH_EVENTS + 1)),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_its_name(option: str, value: str) -> None:
    refused = plan(option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr


def test_more_partitions_than_the_setting_allows_are_a_warning_with_a_remedy() -> None:
    warnings = make_plan(Workload(1_000_000, 1_000_000, 30, 1, 1)).warnings
    assert any("PARTITIONS" in warning and "3 events a batch" in warning for warning in warnings)


def test_what_was_not_measured_is_a_warning() -> None:
    measured_all_over = Workload(20, measured.MOST_VIEWERS, 30, 2, 1)
    assert make_plan(measured_all_over).warnings == ()
    beyond = make_plan(Workload(50_000, measured.MOST_VIEWERS + 1, 30, 1, 1)).warnings
    words = ("partitions are more", "blocks a second", "batches a second", "most viewers", "summaries")
    assert [word for word in words if not any(word in warning for warning in beyond)] == []
