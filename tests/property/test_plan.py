"""What `plan` says never falls as a workload grows, and holds together."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.cli.capacity import formulas
from siddes_telemetry.cli.capacity.advice import make_plan
from siddes_telemetry.cli.capacity.workload import (
    MAX_EVENTS_PER_SECOND,
    MAX_RETENTION_DAYS,
    MAX_VIEWERS,
    Workload,
)
from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS
from siddes_telemetry.schemas.registry import MAX_EVENT_ID

KINDS = MAX_EVENT_ID  # the most that a registry has
# More viewers have fewer rows each; more rows share a viewer's id; more consumers own fewer partitions each.
MAY_FALL = {"rows a viewer and day", "bytes a row", "consumer memory"}


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    events_per_batch = draw(st.integers(1, MAX_BATCH_EVENTS))
    return Workload(
        draw(st.integers(1, MAX_EVENTS_PER_SECOND)),
        draw(st.integers(1, MAX_VIEWERS)),
        draw(st.integers(1, MAX_RETENTION_DAYS)),
        events_per_batch,
        draw(st.integers(1, min(events_per_batch, KINDS))),
        draw(st.booleans()),
    )


def assert_none_falls(smaller: Workload, larger: Workload) -> None:
    before, after = make_plan(smaller), make_plan(larger)
    fallen = {
        figure.name: (figure.value, after.value(figure.name))
        for figure in before.figures
        if figure.name not in MAY_FALL and after.value(figure.name) < figure.value * (1 - 1e-9)
    }
    assert fallen == {}
    assert before.embedded_is_enough or not after.embedded_is_enough


@given(workloads(), st.integers(1, MAX_EVENTS_PER_SECOND))
def test_more_events_need_no_less(load: Workload, events: int) -> None:
    small, large = sorted((load.events_per_second, events))
    assert_none_falls(replace(load, events_per_second=small), replace(load, events_per_second=large))


@given(workloads(), st.integers(1, MAX_VIEWERS))
def test_more_viewers_need_no_less(load: Workload, viewers: int) -> None:
    small, large = sorted((load.viewers, viewers))
    assert_none_falls(replace(load, viewers=small), replace(load, viewers=large))


@given(workloads(), st.integers(1, MAX_RETENTION_DAYS))
def test_longer_retention_needs_no_less(load: Workload, days: int) -> None:
    small, large = sorted((load.retention_days, days))
    assert_none_falls(replace(load, retention_days=small), replace(load, retention_days=large))


@given(workloads(), st.integers(1, MAX_BATCH_EVENTS))
def test_larger_batches_of_as_many_rows_need_no_more_partitions(load: Workload, events: int) -> None:
    small, large = sorted((load.events_per_batch, max(events, load.rows_per_batch)))
    more = replace(load, events_per_batch=large)
    assert formulas.partitions(more) <= formulas.partitions(replace(load, events_per_batch=small))
    assert formulas.batch_log_bytes(more) == formulas.batch_log_bytes(load)


@given(workloads())
def test_a_plan_holds_together(load: Workload) -> None:
    plan = make_plan(load)
    assert all(isfinite(figure.value) and figure.value > 0 for figure in plan.figures)
    assert plan.value("partitions") >= plan.value("consumers")
    assert plan.value("partitions") * formulas.WINDOW_BATCHES_S >= load.batches_s
    assert plan.value("log disk, all copies") > plan.value("log disk") > plan.value("log a day")
    assert plan.value("store disk") >= plan.value("rows kept") * plan.value("bytes a row")
    assert plan.value("store memory") > plan.value("primary key memory")
    assert any("PARTITIONS" in warning for warning in plan.warnings) == (
        plan.value("partitions") > formulas.MAX_PARTITIONS
    )
    pseudonyms = make_plan(replace(load, pseudonyms=True))
    assert pseudonyms.value("log disk") >= plan.value("log disk")
    assert pseudonyms.value("bytes a row") >= plan.value("bytes a row")
