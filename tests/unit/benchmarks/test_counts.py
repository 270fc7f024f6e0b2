"""The history that both stores of a comparison are given."""

from __future__ import annotations

import random
from itertools import pairwise

from benchmarks.load.counts import history
from siddes_telemetry.schemas.table import place_of_row
from tests.unit.schemas.shipped import REGISTRY

DAY_MS = 86_400_000


def test_a_history_is_the_same_each_time_of_the_size_asked_for_and_in_order() -> None:
    once, again = (
        list(history(random.Random(3), rows=10_000, viewers=50, since_ms=0, until_ms=DAY_MS)) for _ in range(2)
    )
    assert once == again
    assert abs(len(once) - 10_000) < 300
    times = [count.line.created_at_ms for count in once]
    assert all(later - sooner > -20 for sooner, later in pairwise(times))
    assert len({count.line.viewer_id for count in once}) == 50
    assert {count.line.event for count in once} <= REGISTRY.names


def test_both_forms_of_a_count_say_the_same() -> None:
    (count, *_) = history(
        random.Random(3), rows=100, viewers=50, since_ms=1_764_115_200_123, until_ms=1_764_115_300_000
    )
    viewer, event, created_at = count.copied().rstrip("\n").split("\t")
    assert place_of_row(count.json()) == (created_at[:10], count.offset)
    row = count.json().decode()
    assert f'"viewer_id":"{viewer}","event":"{event}","count":1,"created_at":"{created_at.removesuffix("+00")}"' in row
