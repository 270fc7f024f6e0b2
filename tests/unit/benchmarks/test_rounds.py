"""Who is measured when, and what is made of it."""

from __future__ import annotations

import pytest

from benchmarks.rounds import Comparison, Contender, Goal, alternate, at_least, at_most


def test_each_is_measured_once_a_round_and_another_one_begins_each_time() -> None:
    order: list[str] = []

    def measured(name: str) -> Contender[float]:
        def measure() -> float:
            order.append(name)
            return float(len(order))

        return Contender(name, measure)

    said: list[str] = []
    found = alternate([measured("a"), measured("b"), measured("c")], 4, said.append)

    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b", "a", "b", "c"]
    assert found == {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]}
    assert said[3] == "round 2 of 4: b"


def test_a_ratio_is_of_one_round() -> None:
    one = Comparison("speed", "/s", [10, 50, 30], at_least(1), "peer", [10, 25, 60])
    assert one.ratios == [1, 2, 0.5]


def test_figures_of_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = Comparison("speed", "/s", [10, 50], None, "peer", [10]).ratios


def test_without_a_peer_the_figures_stand_for_themselves() -> None:
    assert Comparison("size", "B", [5.5], at_most(6)).ratios == [5.5]


@pytest.mark.parametrize(
    ("ours", "goal", "reached"),
    [
        ([0.8, 0.9, 2.0], at_least(0.9), True),
        ([0.8, 0.89, 2.0], at_least(0.9), False),
        ([6.0], at_most(6), True),
        ([6.1], at_most(6), False),
        ([6.1], None, None),
    ],
)
def test_the_median_decides(ours: list[float], goal: Goal | None, reached: bool | None) -> None:
    one = Comparison("x", "", ours, goal)
    assert one.reached is reached
