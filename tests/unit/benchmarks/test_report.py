"""What a page of results says of a comparison."""

from __future__ import annotations

import pytest

from benchmarks.report import document, figure, table
from benchmarks.rounds import Comparison, at_least, at_most


def last_line(one: Comparison) -> str:
    return table([one]).splitlines()[-1]


def test_a_peer_shows_the_ratio_its_spread_and_both_medians() -> None:
    one = Comparison("speed", "/s", [900, 1000, 1300], at_least(0.9), "peer", [1000, 1000, 1000])
    assert last_line(one) == "| speed | peer | 1 (0.9 to 1.3) | ≥ 0.9 | reached | 1,000 against 1,000 /s |"


def test_a_plain_figure_has_its_unit_and_no_peer() -> None:
    one = Comparison("size", "B", [7.25], at_most(6))
    assert last_line(one) == "| size | - | 7.25 (7.25 to 7.25) B | ≤ 6 | **not reached** | 7.25 B |"


def test_without_a_goal_nothing_is_judged() -> None:
    assert last_line(Comparison("size", "B", [7], None)) == "| size | - | 7 (7 to 7) B | - |  | 7 B |"


def test_the_page_has_each_suite_as_it_was_measured_and_its_notes() -> None:
    noted = Comparison("size", "B", [5], at_most(6), note="by column.")
    page = document({"storage": ("today, here.", [noted]), "gateway": ("then, there.", [])})
    assert "## storage\n\ntoday, here.\n" in page
    assert "- size: by column." in page
    assert page.index("## storage") < page.index("## gateway")


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.44, "99.4"), (1.0, "1"), (0.04567, "0.0457"), (0.0, "0")]
)
def test_three_digits_count(value: float, text: str) -> None:
    assert figure(value) == text
