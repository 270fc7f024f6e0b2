"""Buffered increments and observations are in the metrics whenever they are read."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siddes_telemetry.web.buffered_metrics import FLUSH_INTERVAL_S, BufferedMetrics
from tests.fakes.virtual_time import in_virtual_time

BOUNDS = (0.001, 0.01, 0.1, 1.0)


async def test_every_reading_includes_all_increments_before_it() -> None:
    registry = CollectorRegistry()
    buffered = BufferedMetrics(registry)
    counter, gauge = Counter("c", "c", registry=registry), Gauge("g", "g", registry=registry)
    for number in range(1, 4):
        buffered.increment(counter)
        buffered.increment(counter, 2)
        buffered.increment(gauge, 5)
        buffered.increment(gauge, -4)
        assert registry.get_sample_value("c_total") == 3 * number
        assert registry.get_sample_value("g") == number


@given(st.lists(st.floats(0, 10) | st.sampled_from(BOUNDS), max_size=50))
async def test_a_histogram_equals_one_that_observed_each_value(values: list[float]) -> None:
    told, observed = CollectorRegistry(), CollectorRegistry()
    buffered = BufferedMetrics(told)
    ours, theirs = (Histogram("h", "h", buckets=BOUNDS, registry=registry) for registry in (told, observed))
    for value in values:
        buffered.observe(ours, value)
        theirs.observe(value)
    for sample in (sample for metric in observed.collect() for sample in metric.samples):
        if not sample.name.endswith("_created"):
            assert told.get_sample_value(sample.name, sample.labels) == pytest.approx(sample.value), sample


@in_virtual_time
async def test_it_flushes_without_a_reading() -> None:
    """A worker's metrics are read by another process, from files."""
    registry = CollectorRegistry()
    buffered = BufferedMetrics(registry)
    counter = Counter("c", "c", registry=registry)
    for _ in range(3):
        buffered.increment(counter)
        buffered.increment(counter)
        await asyncio.sleep(FLUSH_INTERVAL_S)
    assert counter._value.get() == 6
