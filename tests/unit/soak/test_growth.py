"""What a soak run calls growth, and how it says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.soak.growth import LEAST_JUDGED_S, WARM_UP_S, Bound, Verdict, growth
from tests.soak.report import grown, table
from tests.soak.series import MEMORY, Watched, of

HOUR_S = 3600
BOUND = Bound(an_hour=10, gain=5)
EVERY_S = 5


def of_an_hour(value: Callable[[float], float]) -> list[tuple[float, float]]:
    """An hour of samples, as noisy as memory is."""
    return [(at, value(at) + 2 * math.sin(at)) for at in range(0, HOUR_S, EVERY_S)]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda _: 80.0, id="steady"),
        pytest.param(lambda at: 80 + min(110, at / 10), id="fills up during the warm-up"),
        pytest.param(lambda at: 110 - 30 * math.exp(-at / 600), id="levels off"),
        pytest.param(lambda at: 88 + min(at, 1450) / 60, id="settles soon after the warm-up"),
        pytest.param(lambda at: 80 + (60 if 2000 < at < 2600 else 0), id="a fault in the middle"),
        pytest.param(lambda at: 80 + (60 if at > 3000 else 0), id="one jump late"),
        pytest.param(lambda at: 80 + at / HOUR_S * 9, id="rises by less than the bound"),
        pytest.param(lambda at: 120 - at / HOUR_S * 40, id="falls"),
    ],
)
def test_what_is_no_leak_is_steady(value: Callable[[float], float]) -> None:
    assert growth(of_an_hour(value), BOUND).verdict is Verdict.STEADY


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda at: 80 + at / HOUR_S * 15, id="slowly"),
        pytest.param(lambda at: 80 + at // 300 * 3, id="in steps"),
        pytest.param(lambda at: 80 + at / HOUR_S * 15 - (50 if 2000 < at < 2300 else 0), id="with a dip"),
    ],
)
def test_what_rises_to_the_end_grows(value: Callable[[float], float]) -> None:
    found = growth(of_an_hour(value), BOUND)
    assert found.verdict is Verdict.GROWS
    assert found.an_hour > BOUND.an_hour


def test_a_short_run_is_described_and_not_judged() -> None:
    points = [(at, 80 + at) for at in range(0, int(WARM_UP_S + LEAST_JUDGED_S), EVERY_S)]
    found = growth(points, BOUND)
    assert found.verdict is Verdict.NOT_JUDGED
    assert found.an_hour == pytest.approx(HOUR_S)
    assert found.first < found.last < found.highest


def test_only_processes_that_last_are_judged_and_what_grows_is_named() -> None:
    watched = Watched(frozenset({"gateway"}))
    for at in range(0, HOUR_S, EVERY_S):
        watched.add(at, {of("gateway", MEMORY): 80 + at / 60, of("gateway-2", MEMORY): 80 + at / 60})
    growths = watched.growths()
    (said,) = grown(growths)
    assert said.startswith("gateway: memory, MB grows: ")
    assert "| gateway-2: memory, MB | 102 | 138 | 140 | +60.0 | - |" in table(growths)
    assert "| gateway: memory, MB | 102 | 138 | 140 | +60.0 | **grows** |" in table(growths)
