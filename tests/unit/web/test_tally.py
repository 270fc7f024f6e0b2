"""What is counted on the hot path is what the metrics say to whoever reads them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siddes_telemetry.web.buffered_metrics import TELL_EVERY_S, Tally
from tests.fakes.virtual_time import in_virtual_time

BOUNDS = (0.001, 0.01, 0.1, 1.0)


async def test_every_reading_finds_all_that_was_counted_before() -> None:
    registry = CollectorRegistry()
    tally = Tally(registry)
    counter, gauge = Counter("c", "c", registry=registry), Gauge("g", "g", registry=registry)
    for number in range(1, 4):
        tally.add(counter)
        tally.add(counter, 2)
        tally.add(gauge, 5)
        tally.add(gauge, -4)
        assert registry.get_sample_value("c_total") == 3 * number
        assert registry.get_sample_value("g") == number


@given(st.lists(st.floats(0, 10) | st.sampled_from(BOUNDS), max_size=50))
async def test_a_histogram_is_as_if_each_value_had_been_observed(values: list[float]) -> None:
    told, observed = CollectorRegistry(), CollectorRegistry()
    tally = Tally(told)
    ours, theirs = (Histogram("h", "h", buckets=BOUNDS, registry=registry) for registry in (told, observed))
    for value in values:
        tally.observe(ours, value)
        theirs.observe(value)
    for sample in (sample for metric in observed.collect() for sample in metric.samples):
        if not sample.name.endswith("_created"):
            assert told.get_sample_value(sample.name, sample.labels) == pytest.approx(sample.value), sample


@in_virtual_time
async def test_nobody_need_ask() -> None:
    """A worker's figures are read by another process, from files."""
    registry = CollectorRegistry()
    tally = Tally(registry)
    counter = Counter("c", "c", registry=registry)
    for _ in range(3):
        tally.add(counter)
        tally.add(counter)
        await asyncio.sleep(TELL_EVERY_S)
    assert counter._value.get() == 6
