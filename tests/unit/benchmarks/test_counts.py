"""The history that both stores of a comparison are given."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from benchmarks.load.counts import history
from siddes_telemetry.schemas.table import row_day_and_offset
from tests.unit.schemas.shipped import REGISTRY

DAY_MS = 86_400_000


@pytest.mark.parametrize("up_to", [1, 5])
def test_a_history_is_the_same_each_time_of_the_size_asked_for_and_in_order(up_to: int) -> None:
    once, again = (
        list(history(random.Random(3), counted=10_000, up_to=up_to, viewers=50, since_ms=0, until_ms=DAY_MS))
        for _ in range(2)
    )
    assert once == again
    assert abs(sum(count.line.count for count in once) - 10_000) < 300
    assert {count.line.count for count in once} == set(range(1, up_to + 1))
    times = [count.line.created_at_ms for count in once]
    assert all(later - sooner > -20 for sooner, later in pairwise(times))
    assert len({count.line.viewer_id for count in once}) == 50
    assert {count.line.event for count in once} <= REGISTRY.names


def test_both_forms_of_a_count_say_the_same() -> None:
    counts = history(
        random.Random(3), counted=1000, up_to=5, viewers=50, since_ms=1_764_115_200_123, until_ms=1_764_115_300_000
    )
    for count in counts:
        first, *more = count.copied().splitlines()
        assert more == [first] * (count.line.count - 1)
        viewer, event, created_at = first.split("\t")
        assert row_day_and_offset(count.json()) == (created_at[:10], count.offset)
        said = f'"viewer_id":"{viewer}","event":"{event}","count":{count.line.count},"created_at":"{created_at[:-3]}"'
        assert said in count.json().decode()
